"""A synchronous function as an ASGI application: connections wait on the event loop, threads only ever work."""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from events.errors import Refused
from functions.web import problem
from functions.web.answer import Answer
from functions.web.asgi import Body, Receive, Scope, Send, headers_of, is_whole, lifespan, send_answer
from functions.web.turns import Admitted, Gate

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

#: Seconds after its head within which a body must be there to be taken in before the function is asked at all.
EARLY_S = 0.2


#: Threads for reserved paths.
RESERVED = 2


class _BodyWanted(BaseException):
    """Raised where the function reads a body that is not here yet. No Exception, so that no handler catches it."""


class ThreadedApp:
    """See the module. The application it serves must do nothing before it has read the body: it may be asked twice.

    Args:
        app: the WSGI application.
        threads: requests it works on at a time.
        early: bytes of a body that is taken in before the function is asked. With one that is longer or late it
            first sees the head alone, so that whom it refuses makes us keep no more.
        most: bytes of a body that are taken in at all.
        gate: shares the threads out among callers; None where only the dispatcher calls.
        reserved: paths with threads of their own: probes, and what must not wait for reads.
    """

    def __init__(
        self,
        app: Wsgi,
        *,
        threads: int,
        early: int,
        most: int,
        gate: Gate | None = None,
        reserved: Collection[str] = (),
    ) -> None:
        self._app = app
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="function")
        self._reserved_threads = ThreadPoolExecutor(RESERVED, thread_name_prefix="reserved")
        self._reserved = frozenset(reserved)
        self._gate = gate
        self._early = early
        self._most = most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await lifespan(receive, send)
            return
        headers = headers_of(scope)
        body = Body(receive, headers, self._most, here=is_whole(scope))
        try:
            answer = await self._answer(scope, headers, body)
        except Refused as refusal:
            answer = problem.refused(refusal)
        sent = answer.all_headers
        if not await body.may_be_followed(answer.status):
            sent["connection"] = "close"
        await send_answer(send, answer.status, sent.items(), answer.body)

    async def _answer(self, scope: Scope, headers: Mapping[str, str], body: Body) -> Answer:
        """Have a thread answer, with the head alone first where the body is long or late.

        Raises:
            Refused: the gate does not admit the request.
        """
        admitted = None
        if self._gate is not None and scope["path"] not in self._reserved:
            admitted = self._gate.admit(headers)
        await body.wait(self._early, EARLY_S)
        content = await _read(body) if body.whole else _BodyWanted()
        while (answer := await self._work(scope, headers, content, admitted)) is None:
            content = await _read(body)
        return answer.adding(admitted.headers) if admitted else answer

    async def _work(
        self, scope: Scope, headers: Mapping[str, str], body: bytes | BaseException, admitted: Admitted | None
    ) -> Answer | None:
        """Have a thread answer; None where it wants a body and there is none yet.

        Raises:
            Refused: 429, too many requests of this caller wait.
        """
        given = io.BytesIO(body) if isinstance(body, bytes) else _Withheld(body)
        call = partial(self._call, _environ(scope, headers) | {"wsgi.input": given})
        loop = asyncio.get_running_loop()
        if scope["path"] in self._reserved:
            return await loop.run_in_executor(self._reserved_threads, call)
        if self._gate is None or admitted is None:
            return await loop.run_in_executor(self._threads, call)
        async with self._gate.turns.taken(admitted.caller):
            return await loop.run_in_executor(self._threads, call)

    def _call(self, environ: dict[str, Any]) -> Answer | None:
        started: list[tuple[str, list[tuple[str, str]]]] = []
        try:
            pieces = self._app(environ, lambda status, headers, _=None: started.append((status, headers)))
        except _BodyWanted:
            return None
        try:
            body = b"".join(pieces)
        finally:
            if (close := getattr(pieces, "close", None)) is not None:
                close()
        status, pairs = started[-1]
        headers = {name.lower(): value for name, value in pairs}
        return Answer(int(status[:3]), body, headers.pop("content-type", ""), headers)


class _Withheld(io.RawIOBase):
    """A body that cannot be read; reading it raises the reason."""

    def __init__(self, why: BaseException) -> None:
        self._why = why

    def readable(self) -> bool:
        """See io.RawIOBase."""
        return True

    def readinto(self, buffer: object) -> int:
        """See io.RawIOBase."""
        del buffer
        raise self._why


async def _read(body: Body) -> bytes | BaseException:
    try:
        return await body.read()
    except Refused as refusal:
        return refusal


def _environ(scope: Scope, headers: Mapping[str, str]) -> dict[str, Any]:
    """Return the head of a request as a WSGI environment (PEP 3333)."""
    client, server = scope.get("client") or ("", 0), scope.get("server") or ("", 0)
    named = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
    plain = {name: named.pop(f"HTTP_{name}") for name in ("CONTENT_TYPE", "CONTENT_LENGTH") if f"HTTP_{name}" in named}
    return {
        **named,
        **plain,
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": scope["path"].encode().decode("latin-1"),
        "RAW_URI": scope.get("raw_path", b"").decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1]),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": client[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.errors": sys.stderr,
        "wsgi.input_terminated": True,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
