"""The front door: which door, who is it, what do they bring, and the answer; plain and as an ASGI application."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import Any
from uuid import UUID

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from events import health, metrics
from events.errors import Refused, Unavailable
from events.log import Log, Throttle
from functions.ingest import answer
from functions.ingest.admission import Admission, Arrival
from functions.ingest.answer import Answer
from functions.ingest.doors import DOORS, Door, Request
from functions.ingest.keys import Sender
from functions.ingest.trace import traceparent
from functions.web import problem
from functions.web.credentials import api_key

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
#: Reads the body, None when it is too long; raises Refused when it is too slow.
Read = Callable[[], Awaitable[bytes | None]]

log = Log("ingest")

#: A body must have come in whole by then.
BODY_TIMEOUT_S = 20.0
#: The same for a body that is not looked at, as its request is refused by its head.
UNWANTED_TIMEOUT_S = 2.0
#: What says that more of the body is the last thing wanted.
_UNWANTED = frozenset({408, 413})
#: Refusals logged a second; the rest are counted in one line, so that a flood does not fill the disk.
REFUSALS_LOGGED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontDoor:
    """Everything the front door works with.

    Args:
        max_body_bytes: a longer body is refused before it is read.
        batch_events: the most events in a request.
        cors_origins: web origins whose pages may post; none unless configured.
        now: the clock, with zone.
        random_bytes: for ids and traces that nobody brought.
    """

    admission: Admission
    max_body_bytes: int
    batch_events: int
    cors_origins: frozenset[str]
    now: Callable[[], datetime]
    random_bytes: Callable[[int], bytes]
    throttle: Throttle

    async def answer(self, method: str, path: str, headers: Mapping[str, str], read: Read) -> Answer:
        """Answer one request; whatever happens is an answer."""
        started = time.perf_counter()
        try:
            given = await self._answer(method, path, headers, read)
        except Refused as refusal:
            given = answer.refused(refusal)
        except Unavailable as exc:
            metrics.INGEST_REDIS_ERRORS.inc()
            given = answer.problem_answer(problem.unavailable(exc))
        except Exception:  # noqa: BLE001 - the edge: whatever it is, the sender gets a 500 and the log the trace
            log.error("failed", trace=True)
            given = answer.problem_answer(problem.failed())
        self._note(path, given, time.perf_counter() - started)
        return given

    async def _answer(self, method: str, path: str, headers: Mapping[str, str], read: Read) -> Answer:
        door = DOORS.get(path)
        if door is not None and method == "POST":
            return await self._enter(door, headers, read)
        if method in _READS and path in _PAGES:
            return await _PAGES[path](self)
        if door is not None and method == "OPTIONS" and headers.get("origin") in self.cors_origins:
            return Answer(204, b"", headers=_PREFLIGHT)
        if door is not None:
            return answer.not_allowed("POST")
        if path in _PAGES:
            return answer.not_allowed(", ".join(_READS))
        raise Refused("Not found", status=404)

    async def _enter(self, door: Door, headers: Mapping[str, str], read: Read) -> Answer:
        """Who is it; whatever is decided then, the answer warns of the month's soft limit."""
        now = self.now()
        key = api_key(headers.get("x-api-key"), headers.get("authorization"))
        sender = await self.admission.sender(key, now)
        try:
            return await self._admit(door, sender, headers, read, now)
        except Refused as refusal:
            return answer.refused(refusal, sender.meter(now))

    async def _admit(
        self, door: Door, sender: Sender, headers: Mapping[str, str], read: Read, now: datetime
    ) -> Answer:
        """What do they bring, may it come in."""
        sender.check_may_write()
        declared = headers.get("content-length", "")
        too_large = declared.isdigit() and int(declared) > self.max_body_bytes
        body = None if too_large else await read()
        if body is None:
            raise Refused("Body too large", status=413, detail=f"at most {self.max_body_bytes} bytes")
        metrics.INGEST_BYTES.inc(len(body))
        request = Request(
            headers=headers,
            body=body,
            batch_events=self.batch_events,
            random_id=self._random_id,
            type_of=sender.terms.event_type,
        )
        messages, render = door.open(request)
        trace = traceparent(headers.get("traceparent"), self.random_bytes)
        arrival = Arrival(now=now, traceparent=trace, any_type=door.any_type)
        decisions, meter = await self.admission.decide(sender, messages, arrival)
        return render(decisions, meter)

    async def health(self) -> Answer:
        """Whether Redis answers; nothing else is needed to accept events."""
        started = time.perf_counter()
        try:
            await self.admission.ping()
            up = True
        except Unavailable:
            up = False
        status, body = health.report({"redis": health.service(up, time.perf_counter() - started)})
        return Answer(status, json.dumps(body).encode())

    async def metrics(self) -> Answer:
        """Every metric of this process, the queue's depth as of now."""
        try:
            metrics.DEPTH.labels("events", "all", "all").set(await self.admission.depth())
        except Unavailable:
            log.debug("depth_unknown")
        return Answer(200, generate_latest(), CONTENT_TYPE_LATEST)

    async def openapi(self) -> Answer:
        """The description of these doors."""
        return Answer(200, files("functions.ingest").joinpath("openapi.json").read_bytes())

    def cors_headers(self, origin: str | None) -> dict[str, str]:
        """What a page of a configured origin needs to see the answer."""
        if not origin or origin not in self.cors_origins:
            return {}
        return {"access-control-allow-origin": origin, "vary": "origin"}

    def _random_id(self) -> str:
        return str(UUID(bytes=self.random_bytes(16), version=4))

    def _note(self, path: str, given: Answer, seconds: float) -> None:
        """Count and log one answer."""
        if path in DOORS:
            metrics.INGEST_SECONDS.observe(seconds)
        if given.status < 400:
            log.debug("answered", status=given.status)
            return
        metrics.INGEST_REFUSED.labels(str(given.status)).inc()
        if (left_out := self.throttle.admit()) is not None:
            log.info("refused", status=given.status, left_out=left_out)


_PAGES: Mapping[str, Callable[[FrontDoor], Awaitable[Answer]]] = {
    "/health": FrontDoor.health,
    "/ready": FrontDoor.health,
    "/metrics": FrontDoor.metrics,
    "/openapi.json": FrontDoor.openapi,
}

#: How a page is asked for.
_READS = ("GET", "HEAD")

_PREFLIGHT = {
    "access-control-allow-methods": "POST",
    "access-control-allow-headers": "content-type, x-api-key, authorization, idempotency-key, traceparent",
    "access-control-max-age": "600",
}


class IngestApp:
    """The front door as an ASGI application (specification version 3)."""

    def __init__(self, front_door: FrontDoor) -> None:
        self._front_door = front_door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        # ASGI has names in lower case already.
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        door = self._front_door

        whole = False

        async def read() -> bytes | None:
            nonlocal whole
            body = await _read(receive, door.max_body_bytes)
            whole = body is not None
            return body

        given = await door.answer(scope["method"], scope["path"], headers, read)
        extra = door.cors_headers(headers.get("origin")) if door.cors_origins else {}
        if not whole and (given.status in _UNWANTED or not await _let_by(receive, headers, door.max_body_bytes)):
            # The server hangs up on a body that is not whole; who is not told would send the next request there.
            extra = {**extra, "connection": "close"}
        await _send(send, given, extra, head_only=scope["method"] == "HEAD")


async def _read(receive: Receive, most: int) -> bytes | None:
    """Read a body; None when it is longer than ``most``.

    Raises:
        Refused: it did not come in whole, or not in time.
    """
    late = asyncio.get_running_loop().time() + BODY_TIMEOUT_S
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body", False):
        body = bytes(message.get("body", b""))  # nearly always: all of it came with the head
        return body if len(body) <= most else None
    try:
        return await _read_rest(receive, message, most, late)
    except TimeoutError as exc:
        raise _incomplete() from exc


async def _receive_by(late: float, receive: Receive) -> MutableMapping[str, Any]:
    """Receive one message before ``late``, the loop's time.

    The clock is asked as well: the server waits with asyncio.wait_for, which forgets a cancellation that comes
    together with what it waits for (python/cpython#86296), so that a sender who drips in step would never be late.

    Raises:
        TimeoutError: none came.
    """
    if asyncio.get_running_loop().time() >= late:
        raise TimeoutError
    async with asyncio.timeout_at(late):
        return await receive()


def in_time(receive: Receive) -> Receive:
    """Give up on a sender that is silent, for servers that never do; ours does, without a timer for each request."""

    async def received() -> MutableMapping[str, Any]:
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                return await receive()
        except TimeoutError:
            return {"type": "http.disconnect"}

    return received


def _incomplete() -> Refused:
    return Refused("Request timeout", status=408, detail="the body did not come in whole")


async def _let_by(receive: Receive, headers: Mapping[str, str], most: int) -> bool:
    """Take in a body that nobody wants, keeping nothing; False when that is too much, or takes too long."""
    declared = headers.get("content-length", "0")
    if "expect" in headers or not declared.isdigit() or int(declared) > most:
        return False
    late = asyncio.get_running_loop().time() + UNWANTED_TIMEOUT_S
    try:
        while (message := await _receive_by(late, receive))["type"] == "http.request":
            most -= len(message.get("body", b""))
            if most < 0 or not message.get("more_body", False):
                return most >= 0
    except TimeoutError:
        pass
    return False


async def _read_rest(receive: Receive, message: MutableMapping[str, Any], most: int, late: float) -> bytes | None:
    body = bytearray()
    while True:
        if message["type"] == "http.disconnect":
            raise _incomplete()  # the server says the same of a connection that is gone and of one that is silent
        body += message.get("body", b"")
        if len(body) > most:
            return None
        if not message.get("more_body", False):
            return bytes(body)
        message = await _receive_by(late, receive)


async def _send(send: Send, given: Answer, extra: Mapping[str, str], *, head_only: bool) -> None:
    headers = [
        (b"content-type", given.content_type.encode()),
        (b"content-length", str(len(given.body)).encode()),
        *((name.encode(), value.encode()) for name, value in (*given.headers.items(), *extra.items())),
    ]
    await send({"type": "http.response.start", "status": given.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head_only else given.body})


async def _lifespan(receive: Receive, send: Send) -> None:
    while (message := await receive())["type"] != "lifespan.shutdown":
        await send({"type": f"{message['type']}.complete"})
    await send({"type": "lifespan.shutdown.complete"})
