"""One HTTP/1.1 connection: uvicorn's, with limits on a request's head, a deadline for it, and a drain that lets a
request come in that is on its way. What never becomes a request is refused like all else: problem+json, no echo.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from events import metrics
from events.errors import Refused
from functions.web import problem
from functions.web.asgi import WHOLE

#: Seconds from the first byte of a request's head, or from the start of the connection, to its last. A connection
#: that takes longer is closed: half-sent requests must not pile up.
HEAD_TIMEOUT_S = 10.0
#: Seconds that a connection without a request stays open on a stop, for one that is on its way.
LINGER_S = 0.3

#: Bytes of a request's URL and of one header, name and value; the number of headers; bytes of all of them.
MOST_URL, MOST_HEADER, MOST_HEADERS, MOST_HEAD = 8_190, 16_380, 100, 131_072

#: Title of what is refused here, by status.
_TITLES = {400: "Bad request", 414: "URL too long", 431: "Headers too large", 501: "Unknown transfer coding"}


class _RefusedError(Exception):
    """The head of a request is at fault; the parser passes it on as an error of its own."""


class Connection(HttpToolsProtocol):
    """See :class:`asyncio.Protocol`; the methods without docstrings of their own answer uvicorn or its parser."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._late: asyncio.TimerHandle | None = None
        self._in_head = True
        self._head_bytes = 0
        self._refused_as = 400
        self._stopping = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for the first head."""
        super().connection_made(transport)  # type: ignore[arg-type] # a stream's
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._head_came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, as far as the head is within its limits."""
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as exc:
            self._stay(data[exc.args[0] :])
        except httptools.HttpParserError:
            self.send_400_response("")
        if not self._in_head or self.transport.is_closing():
            return
        self._head_bytes += len(data)
        if self._head_bytes > MOST_HEAD:
            self._refused_as = 431
            self.send_400_response("")
        elif self._late is None:
            self._await_head()

    def on_message_begin(self) -> None:
        """Expect a head."""
        super().on_message_begin()
        self._in_head = True

    def on_headers_complete(self) -> None:
        """Begin a request, unless its head is at fault."""
        self._head_came()
        status = self._fault()
        if status:
            self._refused_as = status
            raise _RefusedError
        if self.parser.should_upgrade():
            return  # it comes once more: see _stay
        super().on_headers_complete()
        if self._stopping:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        """End the body of a request."""
        if not self.parser.should_upgrade():
            super().on_message_complete()
            self.scope["extensions"] = {WHOLE: {}}

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, and close. uvicorn's ``msg`` says less."""
        del msg
        if self.transport.is_closing():
            return
        if self._busy and not self.cycle.more_body:
            self.cycle.keep_alive = False  # the answer to the request before comes first, and is the last
            self.flow.pause_reading()
            return
        metrics.INGEST_REFUSED.labels(str(self._refused_as)).inc()
        if not (self._busy and self.cycle.response_started):
            self.transport.write(_refusal(self._refused_as))
        self.transport.close()

    def shutdown(self) -> None:
        """Answer what has begun, then close; wait a moment where nothing has."""
        self._stopping = True
        if self._busy:
            self.cycle.keep_alive = False
        else:
            self.loop.call_later(LINGER_S, self._close_unless_busy)

    def _fault(self) -> int:
        """Return the status that a whole head is refused with; 0 for a good one."""
        if len(self.url) > MOST_URL:
            return 414
        if len(self.headers) > MOST_HEADERS:
            return 431
        if self.parser.get_method() == b"CONNECT":
            return 400
        for name, value in self.headers:
            if len(name) + len(value) > MOST_HEADER:
                return 431
            if name == b"transfer-encoding" and value.lower() != b"chunked":
                return 501
        return 0

    def _stay(self, rest: bytes) -> None:
        """Go on as if the request had not asked for another protocol, from the ``rest`` that follows its head.

        Nobody is upgraded. The parser would take a body for the other protocol's. Java's HttpClient asks for HTTP/2.
        """
        kept = [name + b": " + value for name, value in self.headers if name not in {b"upgrade", b"connection"}]
        first = b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        self.parser = httptools.HttpRequestParser(self)
        self.data_received(b"\r\n".join([first, *kept, b"", b""]) + rest)

    @property
    def _busy(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _close_unless_busy(self) -> None:
        if not self._busy:
            self.transport.close()

    def _await_head(self) -> None:
        self._late = self.loop.call_later(HEAD_TIMEOUT_S, self.transport.abort)

    def _head_came(self) -> None:
        self._in_head, self._head_bytes = False, 0
        if self._late is not None:
            self._late.cancel()
            self._late = None


def _refusal(status: int) -> bytes:
    answer = problem.refused(Refused(_TITLES[status], status=status))
    headers = {**answer.all_headers, "content-length": str(len(answer.body)), "connection": "close"}
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + answer.body
