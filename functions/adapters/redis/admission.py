"""Admission's script: one call decides on all events of a request and publishes those that may come in.

Needs no Redis client beyond the wire format, so that the front door starts fast.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

import hiredis

from events import keyspace
from events.errors import Unavailable
from events.script import script
from functions.adapters.redis import LUA
from functions.adapters.redis.cluster import Pipe
from functions.adapters.redis.identities import Generations, Identity, Remembered, generations_key
from functions.adapters.redis.memory import by_purpose
from functions.domain.plan import Plan, Rate

CHANNEL = "events"
#: Seconds that a month's count is kept: it outlives its month, so that the last of it can still be looked at.
COUNT_KEPT_S = 62 * 86_400
#: How often a call is repeated because the identities' generations have changed, which they do every few hours.
MOST_CHANGES = 5
#: What an operator does about a Redis that has no memory left.
MEMORY_FULL = "Redis is full: raise maxmemory, purge dead letters or lower SSPP_IDEMPOTENCY_DAYS"


def count_key(tenant: str, partition: int, now: date) -> str:
    """Return the key of the counter of events that ``tenant`` was accepted this month (UTC)."""
    return f"sspp:{{{partition}}}:usage:{tenant}:{now.year}-{now.month:02}"


def rate_key(who: str, partition: int) -> str:
    """Return the key of the rate of a tenant, or of one of its API keys."""
    return f"sspp:{{{partition}}}:rate:{who}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits that hold for every tenant.

    Args:
        stream_length: the most events that wait in one lane.
        waiting_bytes: the most bytes that wait in one partition, dead letters included.
        partitions: of each channel.
        window_s: seconds an identity is remembered.
        fair: events above this rate go to the overflow lane; None: there is no overflow lane.
    """

    stream_length: int
    waiting_bytes: int
    partitions: int
    window_s: int
    fair: Rate | None


class Offer(NamedTuple):
    """One event that may come in, as the script takes it.

    Args:
        content: the beginning of the content's hash.
    """

    identity: Identity
    content: bytes
    event: bytes


class Place(NamedTuple):
    """Where the events of one API key go in one month: the script's keys and arguments that no event changes.

    Args:
        month: of the year; the tenant's counter is another one in the next.
    """

    month: int
    partition: int
    keys: Sequence[str]
    limits: Sequence[str | int]


class State(NamedTuple):
    """How a tenant stands with its limits after a call.

    Args:
        used: events this month.
        left: events that fit at once into the scarcer of its rates; below 0 where it has none.
        full_us: microseconds until its whole burst fits again.
        next_us: microseconds until one more event fits.
    """

    used: int
    left: int
    full_us: int
    next_us: int


class RedisAdmission:
    """The front door's one decision, as Redis makes it.

    Args:
        redis: holds the channel and the limits' state.
        limits: see :class:`Limits`.
    """

    def __init__(self, redis: Pipe, limits: Limits) -> None:
        self._redis = redis
        self._limits = limits
        self._script = script("admit", LUA)
        self._generations: dict[int, Generations] = {}

    def place(self, tenant: str, key_digest: str, plan: Plan, now: datetime) -> Place:
        """Return where the events of an API key go in the month of ``now``."""
        partition = keyspace.partition_of(tenant, self._limits.partitions)
        keys = (
            *(keyspace.stream_key(CHANNEL, partition, lane) for lane in keyspace.LANES),
            count_key(tenant, partition, now),
            rate_key(tenant, partition),
            rate_key(f"{tenant}:{key_digest[:16]}", partition),
            rate_key(f"{tenant}:fair", partition),
            generations_key(partition),
            keyspace.bytes_key(partition),
            *keyspace.fair_keys(CHANNEL, partition),
        )
        limits = (
            self._limits.stream_length,
            self._limits.window_s,
            -1 if plan.monthly.hard is None else plan.monthly.hard,
            COUNT_KEPT_S,
            *_rate_arguments(plan.rate),
            *_rate_arguments(plan.keyRate),
            *_rate_arguments(self._limits.fair),
            tenant,
            self._limits.waiting_bytes,
        )
        return Place(now.month, partition, keys, limits)

    async def admit(self, place: Place, offers: Sequence[Offer]) -> tuple[list[bytes], State | None]:
        """Decide on events in their order, and publish those that may come in.

        Returns:
            For each event ``stored``, ``duplicate``, ``conflict``, ``quota``, ``rate``, ``full``, ``share`` or
            ``letters`` (lua/admit.lua), and how the tenant stands then; None where Redis is full and only knows
            which events it has.
        Raises:
            Unavailable: nothing was stored, unless ``sent`` says that it may have been.
        """
        try:
            answers = await self._admit(place, offers)
        except Unavailable as exc:
            if not str(exc.__cause__).startswith("OOM"):
                raise
            return await self._known(place.partition, offers), None
        return answers[:-4], State(*answers[-4:])

    async def depth(self) -> int:
        """Return how many events wait, over all partitions and lanes.

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

    async def _admit(self, place: Place, offers: Sequence[Offer]) -> list[Any]:
        """Run the script; again when identities are remembered in other buckets by now, which it says."""
        known = self._generations.get(place.partition) or Generations(place.partition)
        events = [part for each in offers for part in (each.identity.field, each.content, each.event)]
        for _ in range(MOST_CHANGES):
            buckets = [bucket for each in offers for bucket in known.buckets_of(each.identity)]
            answers = await self._run([*place.keys, *buckets], [*place.limits, known.text, *events])
            if len(answers) > 1:
                return answers
            known = self._generations[place.partition] = Generations(place.partition, answers[0])
        raise Unavailable("Redis")

    async def _known(self, partition: int, offers: Sequence[Offer]) -> list[bytes]:
        """Answer for a full Redis, which does not run the script: an event that was accepted before is a duplicate.

        Raises:
            Unavailable: none of them was.
        """
        text = await self._redis.execute("HGET", generations_key(partition), "generations")
        generations = Generations(partition, text or b"")
        answers = await asyncio.gather(*(self._looked_up(generations, each) for each in offers))
        if all(answer == b"full" for answer in answers):
            raise Unavailable("Redis", reason=MEMORY_FULL)
        return answers

    async def _looked_up(self, generations: Generations, offer: Offer) -> bytes:
        buckets = generations.buckets_of(offer.identity)
        reads = (self._redis.execute("HGET", bucket, offer.identity.field) for bucket in buckets)
        for value in await asyncio.gather(*reads):
            if value:
                return b"duplicate" if Remembered.read(value).content == offer.content else b"conflict"
        return b"full"

    async def _run(self, keys: Sequence[str], arguments: Sequence[str | bytes | int]) -> list[Any]:
        try:
            answers = await self._redis.execute("EVALSHA", self._script.sha, len(keys), *keys, *arguments)
        except hiredis.ReplyError as exc:
            if not str(exc).startswith("NOSCRIPT"):
                raise
            answers = await self._redis.execute("EVAL", self._script.text, len(keys), *keys, *arguments)
        return list(answers)


def _rate_arguments(rate: Rate | None) -> tuple[int, int]:
    return (rate.interval_us, rate.burst) if rate else (0, 0)
