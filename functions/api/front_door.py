"""The front door within the API: the very code of ingest, on an event loop of its own in a thread.

What an operation of the API changes is an event like any other: it comes in here, with the caller's key.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from functools import cached_property
from typing import Any, NamedTuple

import flask
from pydantic_core import from_json, to_json

from events.cloudevent import STRUCTURED
from functions.ingest.app import FrontDoor
from functions.web.answer import Answer
from functions.web.asgi import too_large

#: Where events that operations publish say they come from.
SOURCE = "/sspp/api"
#: The endpoint that takes CloudEvents.
_EVENTS = "/v1/events"
#: Headers of a request that go with the event it leads to: whose it is, and its trace.
_PASSED_ON = ("x-api-key", "authorization", "traceparent")


class Published(NamedTuple):
    """An event that is stored: the id it is known by, and whether it had been accepted before."""

    id: str
    duplicate: bool


#: Publishes an event of a type, with its data. Raises :class:`NotPublished`.
Publish = Callable[[str, Mapping[str, Any]], Published]


class NotPublished(Exception):
    """The front door did not take an event: its answer is the request's answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


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

        return self._answered(self._door.answer(request.method, request.path, headers, read))

    def publish(self, request: flask.Request, id_: str, type_: str, data: Mapping[str, Any]) -> Published:
        """Let an event in that a request leads to, with the request's key.

        Args:
            id_: of the event, for :data:`SOURCE`.

        Raises:
            NotPublished: with why.
        """
        event = to_json({"specversion": "1.0", "id": id_, "source": SOURCE, "type": type_, "data": data})
        headers = {name: value for name in _PASSED_ON if (value := request.headers.get(name))}

        async def read() -> bytes:
            return event

        answer = self._answered(self._door.answer("POST", _EVENTS, {**headers, "content-type": STRUCTURED}, read))
        if answer.status != 202:
            raise NotPublished(answer)
        said = from_json(answer.body)
        return Published(said["id"], said["duplicate"])

    def _answered(self, call: Coroutine[Any, Any, Answer]) -> Answer:
        """Wait for the front door's answer."""
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
