"""The front door within the API: the very code of ingest, on an event loop of its own in a thread."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from functools import cached_property

import flask

from functions.ingest.app import FrontDoor
from functions.web.answer import Answer
from functions.web.asgi import too_large


class FrontDoorBridge:
    """Lets the API's threads through the asynchronous front door.

    Args:
        door: see :class:`functions.ingest.app.FrontDoor`.
    """

    def __init__(self, door: FrontDoor) -> None:
        self._door = door
        self._lock = threading.Lock()

    def answer(self, request: flask.Request) -> Answer:
        """Answer one request to a door."""
        headers = {name.lower(): value for name, value in request.headers.items()}

        async def read() -> bytes:
            return await asyncio.to_thread(self._body, request)

        call = self._door.answer(request.method, request.path, headers, read)
        with self._lock:
            loop = self._loop
        answered: Future[Answer] = asyncio.run_coroutine_threadsafe(call, loop)
        return answered.result()

    def _body(self, request: flask.Request) -> bytes:
        """Return the body; our server has bounded it already, the Functions Framework's own bounds nothing."""
        most = self._door.max_body_bytes
        if (request.content_length or 0) > most or len(request.get_data()) > most:
            raise too_large(most)
        return request.get_data()

    @cached_property
    def _loop(self) -> asyncio.AbstractEventLoop:
        """The loop, started with the first request: the server forks before that."""
        loop = asyncio.new_event_loop()
        threading.Thread(target=loop.run_forever, name="front-door", daemon=True).start()
        return loop
