"""The front door as an ASGI application."""

from __future__ import annotations

import asyncio
import time

from events.errors import Unavailable
from functions.ingest.app import FrontDoor
from functions.web.asgi import Body, Brake, Receive, Scope, Send, headers_of, is_whole, lifespan, send_answer

#: Seconds within which the event loop must answer whether Redis is fit.
LOOK_S = 10.0


class IngestApp:
    """The front door as an ASGI application (specification version 3)."""

    def __init__(self, front_door: FrontDoor) -> None:
        self._front_door = front_door
        self._brake = Brake(time.monotonic)
        self._loop: asyncio.AbstractEventLoop | None = None

    def ping(self) -> dict[str, dict[str, int]]:
        """Run :meth:`FrontDoor.look` from another thread than the loop's.

        Raises:
            Unavailable: it is not, or the loop does not answer.
        """
        if self._loop is None:
            raise Unavailable("ingest", how="has not started")
        looking = asyncio.run_coroutine_threadsafe(self._front_door.look(), self._loop)
        try:
            return looking.result(LOOK_S)
        except TimeoutError as exc:
            looking.cancel()
            raise Unavailable("ingest", how="took too long") from exc

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            self._loop = asyncio.get_running_loop()
            await lifespan(receive, send)
            return
        headers, door = headers_of(scope), self._front_door
        body = Body(receive, headers, door.max_body_bytes, here=is_whole(scope))
        given = await door.answer(scope["method"], scope["path"], headers, body.read)
        sent = {"content-length": str(len(given.body)), **given.all_headers}
        if door.cors_origins:
            sent |= door.cors_headers(headers.get("origin"))
        await self._brake.hold(given.status)
        if not await body.may_be_followed(given.status):
            # The server closes the connection after an incomplete body, and a client must know not to reuse it.
            sent["connection"] = "close"
        await send_answer(send, given.status, sent.items(), given.body, head_only=scope["method"] == "HEAD")
