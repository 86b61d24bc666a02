"""The front door: from a request to its answer, in steps that need no server."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID
from weakref import WeakValueDictionary

from events import cloudevent, health, metrics
from events.cloudevent import Message
from events.errors import Refused, Unavailable
from events.log import Log, Throttle
from functions.domain.key import WRITE_EVENTS, permitted
from functions.ingest import answer
from functions.ingest.admission import Admission, Arrival
from functions.ingest.budget import Budget, cost, cost_of
from functions.ingest.doors import DOORS, Door, Messages, Render, Request, without_slash
from functions.ingest.keys import Sender
from functions.ingest.trace import traceparent
from functions.web import problem
from functions.web.answer import Answer
from functions.web.content import unpacked
from functions.web.credentials import api_key
from functions.web.unhurried import unhurried

#: Reads the body; raises Refused when it is too long or too slow.
Read = Callable[[], Awaitable[bytes]]

log = Log("ingest")

#: Bytes of a body above which a tenant's requests are read one at a time: half a millisecond of the event loop.
LARGE_BYTES = 32_768
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
        clock: seconds, monotonic.
        random_bytes: for ids that nobody brought.
    """

    admission: Admission
    max_body_bytes: int
    batch_events: int
    cors_origins: frozenset[str]
    now: Callable[[], datetime]
    clock: Callable[[], float]
    random_bytes: Callable[[int], bytes]
    throttle: Throttle
    budget: Budget = field(default_factory=Budget)
    #: Tenant -> its turn at reading events, one request at a time; gone with the last request that waits for it.
    turns: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)

    async def answer(self, method: str, path: str, headers: Mapping[str, str], read: Read) -> Answer:
        """Answer one request; whatever happens is an answer."""
        started = time.perf_counter()
        try:
            given = await self._answer(method, path, headers, read)
        except Refused as refusal:
            given = answer.refused(refusal)
        except Unavailable as exc:
            metrics.INGEST_REDIS_ERRORS.inc()
            given = problem.unavailable(exc, _IN_DOUBT if exc.sent else _NOT_STORED)
        except Exception:  # noqa: BLE001 - the edge: whatever it is, the sender gets a 500 and the log the trace
            log.often("failed", trace=True)
            given = problem.failed()
        self._note(path, given, time.perf_counter() - started)
        return given

    async def _answer(self, method: str, path: str, headers: Mapping[str, str], read: Read) -> Answer:
        path = without_slash(path)
        door = DOORS.get(path)
        if door is not None and method == "POST":
            return await self._enter(door, headers, read)
        if method in _READS and path in _PAGES:
            return await _PAGES[path](self)
        if door is not None:
            return self._asked_about(method, headers)
        if path in _PAGES:
            return answer.not_allowed(", ".join(_READS))
        raise Refused("Not found", status=404)

    def _asked_about(self, method: str, headers: Mapping[str, str]) -> Answer:
        """Answer a page's preflight or a web hook's handshake; any other request with 405."""
        if method == "OPTIONS" and headers.get("origin") in self.cors_origins:
            return Answer(204, b"", headers=_PREFLIGHT)
        sender = headers.get("webhook-request-origin")
        if method == "OPTIONS" and sender:
            # Whether its events are taken is up to the key; its rate, to the plan, which answers 429.
            return Answer(200, b"", headers={**_HANDSHAKE, "webhook-allowed-origin": sender})
        return answer.not_allowed("POST")

    async def _enter(self, door: Door, headers: Mapping[str, str], read: Read) -> Answer:
        """Find the sender, then admit its events. Every answer from there on warns of the month's soft limit."""
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
        """Read the events of a request and decide on each."""
        self._check(sender, headers)
        body = b""
        messages: list[Message | Refused] = []
        try:
            permitted(sender.grant, WRITE_EVENTS, now)
            body = await read()
            metrics.INGEST_BYTES.inc(len(body))
            body = unpacked(body, headers, self.max_body_bytes)
            request = Request(
                headers=headers,
                body=body,
                batch_events=self.batch_events,
                random_id=self._random_id,
                type_of=sender.terms.event_type,
            )
            if len(body) > LARGE_BYTES:
                opened, render = await self._open_in_turn(sender, headers, door, request)
            else:
                opened, render = door.open(request)
            if isinstance(opened, list):
                messages = opened
            else:
                await self._read_in_turn(sender, headers, opened, messages)
        except Refused as refusal:
            # A 429 costs nothing: the request was not read, and must be admitted when it is repeated as asked.
            if refusal.status != 429:
                self.budget.charge(sender, cost(len(messages) + 1, len(body)), self.clock())
            raise
        trace = traceparent(headers.get("traceparent"))
        arrival = Arrival(now=now, traceparent=trace, any_type=door.any_type)
        decisions, meter = await self.admission.decide(sender, messages, arrival)
        if meter.next_s:
            sender.nothing_fits(meter, self.clock())
        if units := cost_of(decisions, len(body)):
            self.budget.charge(sender, units, self.clock())
        return await render(decisions, meter)

    async def _open_in_turn(
        self, sender: Sender, headers: Mapping[str, str], door: Door, request: Request
    ) -> tuple[Messages, Render]:
        """Open a request of which a single event may be large, and is read in one go: others come before the next.

        Raises:
            Refused: see :meth:`_turn`; or the request as a whole is no good.
        """
        async with self._turn(sender, headers):
            opened = door.open(request)
            await asyncio.sleep(0)
        return opened

    async def _read_in_turn(
        self, sender: Sender, headers: Mapping[str, str], opened: Messages, messages: list[Message | Refused]
    ) -> None:
        """Read a batch's events into ``messages``, one batch of a tenant at a time.

        Raises:
            Refused: see :meth:`_turn`; or the request as a whole is no good.
        """
        async with self._turn(sender, headers):
            await unhurried(opened, messages)

    @asynccontextmanager
    async def _turn(self, sender: Sender, headers: Mapping[str, str]) -> AsyncIterator[None]:
        """Have a tenant's turn at reading for the length of the block.

        Raises:
            Refused: 429, because of the requests it had to wait for.
        """
        async with self.turns.setdefault(sender.grant.tenant_id, asyncio.Lock()):
            self._check(sender, headers)
            yield

    def _check(self, sender: Sender, headers: Mapping[str, str]) -> None:
        """Refuse a request before it is read: because of the sender's debt, or a batch because nothing of it fits.

        A single event above the rate is read nevertheless: it may be a duplicate.

        Raises:
            Refused: 429.
        """
        now = self.clock()
        self.budget.check(sender, now)
        if sender.full_until > now and cloudevent.media_type(headers.get("content-type", "")) == cloudevent.BATCH:
            raise answer.above_rate(sender.last, sender.full_until - now)

    async def health(self) -> Answer:
        """Answer whether Redis is fit to accept events; nothing else is needed for it."""
        try:
            await self.admission.ping()
        except Unavailable:
            return Answer(503, json.dumps(health.brief(503)).encode())
        return await self.live()

    async def live(self) -> Answer:
        """Answer that this process works, whatever is away."""
        return Answer(200, json.dumps(health.brief(200)).encode())

    async def look(self) -> dict[str, dict[str, int]]:
        """Measure the queue's depth, and see whether Redis is fit to accept events.

        Returns:
            ``memory``: Redis' memory in bytes by purpose.
        Raises:
            Unavailable: it is not.
        """
        metrics.DEPTH.labels("events", "all", "all").set(await self.admission.depth())
        await self.admission.ping()
        return {"memory": await self.admission.memory()}

    async def openapi(self) -> Answer:
        """Answer with the description of these doors. It is made when it is first asked for, beside the event loop."""
        from functions.ingest import description

        return Answer(200, await asyncio.to_thread(description.openapi))

    def cors_headers(self, origin: str | None) -> dict[str, str]:
        """Return the headers that let a page of a configured origin read the answer."""
        if not origin or origin not in self.cors_origins:
            return {}
        return {"access-control-allow-origin": origin, "vary": "origin"}

    def _random_id(self) -> str:
        return str(UUID(bytes=self.random_bytes(16), version=4))

    def _note(self, path: str, given: Answer, seconds: float) -> None:
        """Count and log one answer."""
        if without_slash(path) in DOORS:
            metrics.INGEST_SECONDS.observe(seconds)
        if given.status < 400:
            log.debug("answered", status=given.status)
            return
        metrics.INGEST_REFUSED.labels(str(given.status)).inc()
        if (left_out := self.throttle.admit()) is not None:
            log.info("refused", status=given.status, left_out=left_out)


#: What the answer says of a request's events when Redis was away.
_NOT_STORED = "nothing was stored"
_IN_DOUBT = "it is not known whether anything was stored, and sending it again doubles nothing"

_PAGES: Mapping[str, Callable[[FrontDoor], Awaitable[Answer]]] = {
    "/health": FrontDoor.health,
    "/ready": FrontDoor.health,
    "/live": FrontDoor.live,
    "/openapi.json": FrontDoor.openapi,
}

#: How a page is asked for.
_READS = ("GET", "HEAD")

_PREFLIGHT = {
    "access-control-allow-methods": "POST",
    "access-control-allow-headers": "content-type, x-api-key, authorization, idempotency-key, traceparent",
    "access-control-max-age": "600",
}


#: CloudEvents' HTTP 1.1 Web Hooks, section 4.2.
_HANDSHAKE = {"allow": "POST", "webhook-allowed-rate": "*"}
