"""Admission: from events to "stored", "seen before" or "no", in one call to Redis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import hiredis

from events import cloudevent, keyspace, metrics
from events.cloudevent import Message
from events.content import content_hash
from events.errors import Fault, Refused, Unavailable
from events.failpoint import reach
from events.identities import CONTENT_BYTES, Generations, Identity, Remembered, generations_key, identity
from functions.adapters.redis.cluster import Pipe
from functions.adapters.redis.memory import by_purpose
from functions.adapters.sandbox import Sandbox
from functions.domain import sales
from functions.domain.key import unknown_key, working
from functions.domain.plan import Plan, Rate, Terms
from functions.domain.signal import instant
from functions.ingest.answer import (
    CONFLICT,
    FULL,
    LETTERS,
    QUOTA,
    RATE,
    SHARE,
    UNLIMITED,
    Accepted,
    Decision,
    Declined,
    Meter,
)
from functions.ingest.keys import KeyCache, Place, Sender
from functions.ingest.schemas import Schemas
from functions.web.unhurried import unhurried

CHANNEL = "events"
#: How often a call is repeated because the identities' generations have changed, which they do every few hours.
MOST_CHANGES = 5
#: What an operator does about a Redis that has no memory left.
MEMORY_FULL = "Redis is full: raise maxmemory, purge dead letters or lower SSPP_IDEMPOTENCY_DAYS"

_REFUSALS: Mapping[bytes, Refused] = {
    b"conflict": CONFLICT,
    b"quota": QUOTA,
    b"rate": RATE,
    b"full": FULL,
    b"share": SHARE,
    b"letters": LETTERS,
}
#: Counted where the script was not asked.
_REFUSED = b"refused"
_COUNTED = {
    b"stored": metrics.INGESTED.labels("accepted"),
    **{outcome: metrics.INGESTED.labels(outcome.decode()) for outcome in (b"duplicate", *_REFUSALS, _REFUSED)},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What holds for every tenant.

    Args:
        stream_length: the most events that wait in one lane.
        waiting_bytes: the most bytes that wait in one partition, dead letters included.
        partitions: of each channel.
        window_s: seconds an identity is remembered.
        fair: what a tenant sends above it goes to the slow lane; None: there is no slow lane.
    """

    stream_length: int
    waiting_bytes: int
    partitions: int
    window_s: int
    fair: Rate | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """How events came: when, under which trace if any, and whether through a door that takes every type."""

    now: datetime
    traceparent: str | None = None
    any_type: bool = False

    def stamps(self, tenant: str) -> dict[str, str]:
        """The attributes every accepted event is given."""
        stamps = {sales.TENANT: tenant, sales.RECEIVED: instant(self.now)}
        if self.any_type:
            stamps[sales.ANY_TYPE] = "1"
        return stamps


class _Candidate(NamedTuple):
    """One event that may come in, as the admission script takes it."""

    identity: Identity
    content: bytes
    event: bytes


class Admission:
    """The front door's one decision.

    Args:
        redis: holds the channel, the limits' state and the key directory.
        keys: whose key it is.
        limits: see :class:`Limits`.
        stored: called each time something was stored; see :class:`events.wake.Waker`.
    """

    def __init__(self, redis: Pipe, keys: KeyCache, limits: Limits, stored: Callable[[], None] = lambda: None) -> None:
        self._redis = redis
        self._schemas = Schemas(Sandbox(), time.monotonic)
        self._keys = keys
        self._limits = limits
        self._stored = stored
        self._generations: dict[int, Generations] = {}

    async def sender(self, key: str, now: datetime) -> Sender:
        """Return the sender that ``key`` belongs to.

        Raises:
            Refused: 401 for every key that does not work.
            Unavailable: nothing can be said about any key now.
        """
        try:
            sender = await self._keys.find(key, now)
        except Unavailable as exc:
            exc.sent = False  # a key was asked for; nothing was sent that could be stored
            raise
        if sender is None:
            raise unknown_key()
        working(sender.grant, now)
        return sender

    async def decide(
        self, sender: Sender, messages: Sequence[Message | Refused], arrival: Arrival
    ) -> tuple[list[Decision], Meter]:
        """Check every event, then let one script call decide on those that may come in, in their order.

        Raises:
            Unavailable: nothing was stored, unless ``sent`` says that it may have been.
        """
        judged = await unhurried(_judged(messages, sender, any_type=arrival.any_type))
        ids, checked = [id_ for id_, _ in judged], [message for _, message in judged]
        if sender.terms.types:
            checked = await self._schemas.checked(checked, sender.terms)
        offered = [(id_, message) for id_, message in zip(ids, checked, strict=True) if isinstance(message, Message)]
        if offered:
            answers, meter = await self._publish(sender, offered, arrival)
        else:
            answers, meter = [], sender.meter(arrival.now)
        answered = iter(answers)
        said = [next(answered) if isinstance(message, Message) else message for message in checked]
        outcomes = [_REFUSED if isinstance(what, Refused) else what for what in said]
        for outcome in set(outcomes):
            _COUNTED[outcome].inc(outcomes.count(outcome))
        return [_decision(id_, what) for id_, what in zip(ids, said, strict=True)], meter

    async def ping(self) -> None:
        """Raise :class:`Unavailable` unless Redis answers, keeps what it acknowledges and has the key directory."""
        await self._keys.check()

    async def depth(self) -> int:
        """How many events wait, over all partitions and lanes.

        Raises:
            Unavailable: Redis could not be reached.
        """
        reads = [
            read
            for partition in range(self._limits.partitions)
            for read in (
                *(("XLEN", keyspace.stream_key(CHANNEL, partition, lane)) for lane in keyspace.LANES),
                ("ZCARD", keyspace.fair_key(CHANNEL, partition)),
            )
        ]
        return sum([await self._redis.execute(*read) for read in reads])

    async def memory(self) -> dict[str, int]:
        """Return Redis' memory in bytes by purpose; see :func:`functions.adapters.redis.memory.by_purpose`."""
        return await by_purpose(self._redis.execute, self._limits.partitions)

    async def _publish(
        self, sender: Sender, offered: Sequence[tuple[str, Message]], arrival: Arrival
    ) -> tuple[list[bytes], Meter]:
        place = sender.place
        if place is None or place.month != arrival.now.month:
            place = sender.place = self._place(sender, arrival.now)
        candidates = await unhurried(_candidates(sender.grant.tenant_id, offered, arrival))
        try:
            answers = await self._admit(place, candidates)
        except Unavailable as exc:
            if not str(exc.__cause__).startswith("OOM"):
                raise
            return await self._known(place.partition, candidates), sender.meter(arrival.now)
        reach("ingest.stored")
        if b"stored" in answers:
            self._stored()
        sender.used = answers[-4]
        return answers[:-4], _meter(answers[-4:], sender.terms.plan, arrival.now)

    def _place(self, sender: Sender, now: datetime) -> Place:
        tenant, plan = sender.grant.tenant_id, sender.terms.plan
        partition = keyspace.partition_of(tenant, self._limits.partitions)
        keys = (
            *(keyspace.stream_key(CHANNEL, partition, lane) for lane in keyspace.LANES),
            keyspace.count_key(tenant, partition, now),
            keyspace.rate_key(tenant, partition),
            keyspace.rate_key(f"{tenant}:{sender.key_digest[:16]}", partition),
            keyspace.rate_key(f"{tenant}:fair", partition),
            generations_key(partition),
            keyspace.bytes_key(partition),
            *keyspace.fair_keys(CHANNEL, partition),
        )
        limits = (
            self._limits.stream_length,
            self._limits.window_s,
            -1 if plan.monthly.hard is None else plan.monthly.hard,
            keyspace.COUNT_KEPT_S,
            *_rate_arguments(plan.rate),
            *_rate_arguments(plan.keyRate),
            *_rate_arguments(self._limits.fair),
            tenant,
            self._limits.waiting_bytes,
        )
        return Place(now.month, partition, keys, limits)

    async def _admit(self, place: Place, candidates: Sequence[_Candidate]) -> list[Any]:
        """Run the script; again when identities are remembered in other buckets by now, which it says."""
        known = self._generations.get(place.partition) or Generations(place.partition)
        events = [part for each in candidates for part in (each.identity.field, each.content, each.event)]
        for _ in range(MOST_CHANGES):
            buckets = [bucket for each in candidates for bucket in known.buckets_of(each.identity)]
            answers = await self._run([*place.keys, *buckets], [*place.limits, known.text, *events])
            if len(answers) > 1:
                return answers
            known = self._generations[place.partition] = Generations(place.partition, answers[0])
        raise Unavailable("Redis")

    async def _known(self, partition: int, candidates: Sequence[_Candidate]) -> list[bytes]:
        """Answer for a full Redis, which does not run the script: an event that was accepted before is a duplicate.

        Raises:
            Unavailable: none of them was.
        """
        text = await self._redis.execute("HGET", generations_key(partition), "generations")
        generations = Generations(partition, text or b"")
        answers = await asyncio.gather(*(self._looked_up(generations, each) for each in candidates))
        if all(answer == b"full" for answer in answers):
            raise Unavailable("Redis", reason=MEMORY_FULL)
        return answers

    async def _looked_up(self, generations: Generations, candidate: _Candidate) -> bytes:
        buckets = generations.buckets_of(candidate.identity)
        reads = (self._redis.execute("HGET", bucket, candidate.identity.field) for bucket in buckets)
        for value in await asyncio.gather(*reads):
            if value:
                return b"duplicate" if Remembered.read(value).content == candidate.content else b"conflict"
        return b"full"

    async def _run(self, keys: Sequence[str], arguments: Sequence[str | bytes | int]) -> list[Any]:
        script = keyspace.script("admit")
        try:
            answers = await self._redis.execute("EVALSHA", script.sha, len(keys), *keys, *arguments)
        except hiredis.ReplyError as exc:
            if not str(exc).startswith("NOSCRIPT"):
                raise
            answers = await self._redis.execute("EVAL", script.text, len(keys), *keys, *arguments)
        return list(answers)


def _judged(
    messages: Iterable[Message | Refused], sender: Sender, *, any_type: bool
) -> Iterator[tuple[str, Message | Refused]]:
    for message in messages:
        yield _identity(sender.grant.tenant_id, message), _checked(message, sender.terms, any_type=any_type)


def _identity(tenant: str, message: Message | Refused) -> str:
    """What an event is known by; nothing where it could not be read."""
    if isinstance(message, Refused):
        return ""
    return cloudevent.event_id(tenant, message.event.source, message.event.id)


def _candidates(tenant: str, offered: Iterable[tuple[str, Message]], arrival: Arrival) -> Iterator[_Candidate]:
    stamps = arrival.stamps(tenant)
    plain = traced = cloudevent.ending(stamps)
    if arrival.traceparent is not None:
        traced = cloudevent.ending({**stamps, "traceparent": arrival.traceparent, cloudevent.TRACED: "1"})
    for id_, message in offered:
        untraced = message.event.extension("traceparent") is None  # a trace that the sender put into the event stays
        event = cloudevent.stamped(message.raw, traced if untraced else plain)
        yield _Candidate(identity(tenant, id_), content_hash(message.event)[:CONTENT_BYTES], event)


def _checked(message: Message | Refused, terms: Terms, *, any_type: bool) -> Message | Refused:
    """Refuse what no function could work with, while the sender is still there to be told."""
    if isinstance(message, Refused):
        return message
    event = message.event
    reserved = [
        Fault(cloudevent.pointer([name]), f"attributes that begin with {cloudevent.RESERVED_PREFIX} are reserved")
        for name in event.__pydantic_extra__ or ()
        if name.startswith(cloudevent.RESERVED_PREFIX)
    ]
    if reserved:
        return Refused("Malformed CloudEvent", faults=tuple(reserved))
    try:
        sales.sales_data(event, terms.event_type, any_type=any_type)
    except Refused as refusal:
        return refusal
    return message


def _rate_arguments(rate: Rate | None) -> tuple[int, int]:
    return (rate.interval_us, rate.burst) if rate else (0, 0)


def _meter(state: Sequence[int], plan: Plan, now: datetime) -> Meter:
    """Read the last four answers of the admission script."""
    if plan.unlimited:
        return UNLIMITED
    used, left, full_us, next_us = state
    bursts = [rate.burst for rate in (plan.rate, plan.keyRate) if rate]
    return Meter(
        now=now,
        used=used,
        monthly=plan.monthly,
        limit=min(bursts) if bursts else None,
        left=left,
        full_s=full_us / 1e6,
        next_s=next_us / 1e6,
    )


def _decision(id_: str, said: bytes | Refused) -> Decision:
    """What becomes of an event by the script's answer, or because nobody had to ask it."""
    if isinstance(said, Refused):
        return Declined(id_, said)
    if said in {b"stored", b"duplicate"}:
        return Accepted(id_, duplicate=said == b"duplicate")
    return Declined(id_, _REFUSALS[said])
