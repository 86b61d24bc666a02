"""One partition as its front door, its dispatchers and its operators use it, and what lies in it, counted anew."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count, product
from typing import Any

from events import channel, cloudevent, keyspace
from events.channel import Channel
from events.deadletter import DeadLetters, Letter
from events.entry import Bury, Done, Entry, Outcome, Park
from functions.adapters.redis.admission import Limits
from functions.adapters.redis.cluster import connect
from functions.domain.key import WRITE_EVENTS, Grant
from functions.domain.plan import Rate, Terms
from functions.ingest.admission import Admission, Arrival
from functions.ingest.answer import Decision
from functions.ingest.keys import KeyCache, Sender
from functions.service.dead_letter_event import with_data

#: Where the channel must keep its contract -> the fixture with the URL.
SERVERS = {"redis": "debian_redis_url", "valkey": "redis_url", "cluster": "redis_cluster_url"}
#: What Redis takes beside an event, as lua/shared/overhead.lua counts it.
OVERHEAD = 256
LEASE_MS = 3_600_000
ARRIVAL = Arrival(now=datetime.now(UTC))
#: One event at once is fair; a tenant's others go to the slow lane.
NEARLY_ALL_SLOW = Rate(perSecond=0.001, burst=1)


@dataclass(kw_only=True)
class Partition:
    """Partition 0, its only one.

    Args:
        client: of :func:`events.channel.connect`.
        loop: where the front door runs.
        admission: the front door.
        ids_bytes: as much of signals, and of notices, may wait.
        held: what dispatchers have in hand, by channel and lane.
    """

    client: Any
    loop: asyncio.AbstractEventLoop
    admission: Admission
    ids_bytes: int = channel.UNBOUNDED
    held: dict[tuple[str, str], list[Entry]] = field(default_factory=dict)
    ids: Iterator[int] = field(default_factory=count)

    def admit(self, tenant: str, sizes: Sequence[int]) -> list[Decision]:
        """Send a batch of new events with so many characters of data each."""
        sender = Sender("digest", Grant(tenant, frozenset({WRITE_EVENTS})), Terms(), 0)
        messages = [cloudevent.parse(event(next(self.ids), size)) for size in sizes]
        decisions, _ = self.loop.run_until_complete(self.admission.decide(sender, messages, ARRIVAL))
        return decisions

    def lane(self, name: str, lane: str) -> Channel:
        """One lane's consumer."""
        return Channel(self.client, name, 0, "a", lane, ids_bytes=self.ids_bytes)

    def read(self, name: str, lane: str, most: int) -> list[Entry]:
        """Take entries into the hand: due retries, or else new ones."""
        of = self.lane(name, lane)
        found = of.lease(most, LEASE_MS).entries or of.read(most, 0)
        self.held.setdefault((name, lane), []).extend(found)
        return found

    def settle(self, name: str, lane: str, outcomes: Sequence[tuple[Entry, Outcome]]) -> int:
        """Settle some of what is in the hand."""
        hand = self.held.setdefault((name, lane), [])
        self.held[name, lane] = [entry for entry in hand if entry not in [each for each, _ in outcomes]]
        return self.lane(name, lane).settle(outcomes)

    def release(self, name: str, lane: str) -> None:
        """Give everything in the hand back; it is taken over at once."""
        of, hand = self.lane(name, lane), self.held.get((name, lane), [])
        of.nack(hand, LEASE_MS)
        self.held[name, lane] = of.claim(len(hand), LEASE_MS).entries + of.lease(len(hand), LEASE_MS).entries

    def letters(self) -> list[Letter]:
        """Every dead letter."""
        return list(self.dead.scan(latest_first=True))

    @property
    def dead(self) -> DeadLetters:
        """The dead letters of every channel."""
        return DeadLetters(self.client, 1)

    def edit(self, letter: Letter, size: int) -> None:
        """Give a dead letter so many characters of data."""
        self.dead.edit(letter, with_data(letter, {"x": "x" * size}))

    def counted(self) -> dict[str, int]:
        """What the hash of bytes must say: the sum over everything that is there."""
        found: Counter[str] = Counter()
        for name, lane in product(keyspace.CHANNELS, keyspace.LANES):
            for _, fields in self.client.xrange(keyspace.stream_key(name, 0, lane)):
                _add(found, name, fields[b"event"])
            for waiting in self.client.hvals(keyspace.queued_key(name, 0)) if lane == keyspace.SLOW else ():
                _add(found, name, waiting)
            for kept in self.client.hvals(keyspace.parked_key(name, 0, lane)):
                _add(found, "retries" if name == "events" else name, kept.split(b"\n", 3)[3])
        for name in keyspace.CHANNELS:
            for _, fields in self.client.xrange(keyspace.dead_key(name, 0)):
                _add(found, "dead", fields[b"event"], fields[b"tenant"].decode())
            for id_, edited in self.client.hgetall(keyspace.edited_key(name, 0)).items():
                [(_, fields)] = self.client.xrange(keyspace.dead_key(name, 0), id_, id_)
                _add(found, "dead", edited, fields[b"tenant"].decode())
        return dict(found)

    def bytes(self) -> dict[str, int]:
        """What the hash of bytes says."""
        return {field.decode(): int(value) for field, value in self.client.hgetall(keyspace.bytes_key(0)).items()}


def _add(found: Counter[str], purpose: str, raw: bytes, tenant: str | None = None) -> None:
    whose = cloudevent.tenant_of(raw) if tenant is None else tenant
    size = len(raw) + OVERHEAD
    found[whose] += size
    found[f":{purpose}"] += size
    if purpose == "dead":
        found[f"dead:{whose}"] += size


def event(number: int, size: int) -> bytes:
    """An event with so many characters of data beside what it must have."""
    told = {"specversion": "1.0", "id": str(number), "source": "/test", "type": "demo_completed"}
    return json.dumps(told | {"data": {"accountId": "a", "metadata": {"x": "x" * size}}}).encode()


def reply(tenant: str, number: int) -> bytes:
    """An event that a function answers with."""
    told = {"specversion": "1.0", "id": str(number), "source": "/test", "type": "t", cloudevent.TENANT: tenant}
    return json.dumps(told, separators=(",", ":")).encode()


def outcome(verb: str, entry: Entry, replies: Sequence[tuple[str, bytes]] = ()) -> Outcome:
    """Return what becomes of an entry: ``done``, ``park`` or ``bury``."""
    if verb == "done":
        return Done(replies)
    if verb == "park":
        return Park(0, entry.attempts + 1, 1)
    letter = cloudevent.stamp(entry.event, knativeerrorcode=500)
    return Bury(letter, "wrong", 500, cloudevent.tenant_of(entry.event), 1, 1, 1)


@contextmanager
def opened(
    url: str, *, stream_length: int = 10**6, waiting_bytes: int = 10**9, fair: Rate | None = NEARLY_ALL_SLOW
) -> Iterator[Partition]:
    """The partition of an empty server."""
    limits = Limits(stream_length=stream_length, waiting_bytes=waiting_bytes, partitions=1, window_s=60, fair=fair)
    loop = asyncio.new_event_loop()
    pipe = connect(url)
    try:
        with closing(channel.connect(url)) as client:
            client.flushall()
            for name, lane in product(keyspace.CHANNELS, keyspace.LANES):
                Channel(client, name, 0, "a", lane).ensure()
            admission = Admission(pipe, KeyCache(pipe, time.monotonic, 1), limits)
            yield Partition(client=client, loop=loop, admission=admission)
    finally:
        loop.run_until_complete(pipe.close())
        loop.close()
