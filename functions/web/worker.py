"""gunicorn's ASGI worker, with a deadline for a connection's first request and a drain that does not wait for
connections nobody is using. What gunicorn refuses on its own is told as everything else is: problem+json, no echo.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from gunicorn.asgi.protocol import ASGIProtocol
from gunicorn.workers import gasgi

from events import metrics
from events.errors import Refused
from functions.web import problem

#: A connection that has not brought a whole request head by then is closed: half-sent ones must not pile up.
FIRST_HEAD_TIMEOUT_S = 10.0
#: On a stop, how long a connection between two requests may still bring one that is on its way.
LINGER_S = 0.3

#: Containers made and not yet let go of, before Python looks for cycles among them. Its own 700 is less than what
#: thirty requests hold at once, so that it searched all the time, for an eighth of what a request costs.
GARBAGE_THRESHOLD = 10_000

#: Title of what the server itself refuses, by status.
_TITLES = {
    414: "Request line too long",
    431: "Headers too large",
    501: "Unknown transfer coding",
}


class Protocol(ASGIProtocol):  # type: ignore[misc] # gunicorn has no type information
    """One connection, known to its worker."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        super().connection_made(transport)
        self.worker.connections.add(self)
        self._head_timer = self.worker.loop.call_later(FIRST_HEAD_TIMEOUT_S, self._first_head_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._head_timer.cancel()
        self.worker.connections.discard(self)
        super().connection_lost(exc)

    @property
    def between_requests(self) -> bool:
        """Whether no request is being worked on."""
        return bool(self._awaiting_request)

    async def _serve_http_request(self, request: Any, sockname: Any, peername: Any) -> bool:
        """Serve one request; say whether another one may follow it.

        gunicorn gives each request a task of its own, for applications that go on working after their answer. Ours
        is done when it has answered, so the connection's own task serves it.
        """
        keepalive: bool = await self._handle_http_request(request, sockname, peername)
        return keepalive

    def _is_websocket_upgrade(self, request: Any) -> bool:
        """Nobody is upgraded: a request for it is an ordinary GET."""
        del request
        return False

    def _send_error_response(self, status: int, message: str, extra_headers: Iterable[tuple[str, str]] = ()) -> None:
        """Refuse what never became a request. gunicorn's ``message`` would quote it, keys and all."""
        del message
        metrics.INGEST_REFUSED.labels(str(status)).inc()
        refusal = Refused(_TITLES.get(status, "Bad request"), status=status)
        _, headers, body = problem.refused(refusal) if status != 500 else problem.failed()
        headers |= {"content-length": str(len(body)), "connection": "close", **dict(extra_headers)}
        lines = [
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        self._safe_write("\r\n".join([*lines, "", ""]).encode("latin-1") + body)

    def _first_head_is_late(self) -> None:
        if self.req_count <= 1 and self.between_requests:
            self.transport.abort()


class Worker(gasgi.ASGIWorker):  # type: ignore[misc] # gunicorn has no type information
    """The worker; gunicorn makes it by name, see functions/server.py."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.connections: set[Protocol] = set()
        self._queues_are_long = False
        gasgi.ASGIProtocol = Protocol  # what the worker makes of each connection; it has no other way to be told

    def load_wsgi(self) -> None:
        """See gunicorn's Worker: loads the application, which then stays: no search for garbage looks at it again."""
        super().load_wsgi()
        gc.freeze()
        gc.set_threshold(GARBAGE_THRESHOLD)

    def notify(self) -> None:
        """See gunicorn's Worker: comes once the servers are there, and every second after that."""
        super().notify()
        if self.servers and not self._queues_are_long:
            # asyncio listens anew, for 100: of a burst of senders the rest would wait a second or three.
            for listener in self.sockets:
                listener.sock.listen(self.cfg.backlog)
            self._queues_are_long = True

    async def _shutdown(self) -> None:
        closing = asyncio.ensure_future(self._close_unused())
        await super()._shutdown()
        closing.cancel()

    async def _close_unused(self) -> None:
        while self.connections:
            await asyncio.sleep(LINGER_S)
            for connection in list(self.connections):
                if connection.between_requests:
                    connection.transport.close()
