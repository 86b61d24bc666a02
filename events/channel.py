"""The Redis Streams that carry events. No other module speaks XADD, XREADGROUP, XACK or XAUTOCLAIM.

A lane of a channel's partition is a stream with one consumer group and a sorted set of parked retries; a slow lane has
a fair queue before its stream; a partition has one stream of dead letters. keyspace.py has their names.
An entry leaves a stream only by being settled: ``XLEN`` is always exactly what is still to be done there, beside what
the fair queue holds.
All durations are Redis' own clock's: a dispatcher whose clock jumps changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from events import metrics
from events.cloudevent import tenant_of
from events.errors import Unavailable
from events.keyspace import (
    CHANNELS,
    FAST,
    GROUP,
    PASSING,
    SLOW,
    behind_key,
    buried_key,
    bury_key,
    bytes_key,
    dead_key,
    fair_keys,
    parked_key,
    retry_key,
    stream_key,
)
from events.script import LUA, script

#: A consumer that holds nothing and has not been heard of for this long is forgotten.
CONSUMER_GONE_MS = 3_600_000
#: As many bytes of events as are handed out at once, but for a step and for one event that alone is larger. What a
#: dispatcher and the function hold at a time follows from it: parsed JSON can be 40 times its size.
HANDED_BYTES = 2 * 1024 * 1024
#: How many events of the platform's own one script call publishes.
AT_ONCE = 500
#: Bytes: no bound.
UNBOUNDED = 10**15
#: How many entries are taken before their sizes are looked at.
STEP = 10


class Entry(NamedTuple):
    """One delivery of one event.

    Args:
        id: the stream's id of it, which it keeps as a retry.
        event: structured JSON.
        attempts: deliveries that failed before this one.
        first_ms: when the first of them was, Unix ms; 0 when this is the first.
        handed: how often it was handed out since its last verdict, this time included.
        lease_ms: when the lease of a retry ends, Redis' Unix ms; 0 for an entry of the stream.
    """

    id: str
    event: bytes
    attempts: int = 0
    first_ms: int = 0
    handed: int = 1
    lease_ms: int = 0


class Done(NamedTuple):
    """Settled well: what it led to goes to the next channels, as ``(channel, event)``."""

    replies: Sequence[tuple[str, bytes]] = ()


@dataclass(frozen=True, slots=True)
class Park:
    """To be delivered again in ``wait_ms``, as attempt number ``attempts`` + 1."""

    wait_ms: int
    attempts: int
    first_ms: int


@dataclass(frozen=True, slots=True)
class Bury:
    """Given up: ``event`` with its error attributes goes to the dead letters.

    Args:
        reason: the beginning of the last answer.
        status: of the last answer; 0 for none.
        tenant: whose it was; empty where the event does not say.
        event_id: the id that senders were given for it; empty for what no sender sent.
        first_ms, last_ms: when its first and last attempt were, Unix ms.
    """

    event: bytes
    reason: str
    status: int
    tenant: str
    attempts: int
    first_ms: int
    last_ms: int
    event_id: str = ""


Outcome = Done | Park | Bury


@contextmanager
def translated() -> Iterator[None]:
    """Turn what redis-py raises into this platform's errors."""
    try:
        yield
    except (redis.ConnectionError, redis.TimeoutError, redis.exceptions.SlotNotCoveredError, OSError) as exc:
        raise Unavailable("Redis") from exc
    except redis.ResponseError as exc:
        # redis-py takes the codes it knows off the text and keeps them beside it.
        if (exc.status_code or str(exc)).startswith(PASSING):
            raise Unavailable("Redis") from exc
        raise


def run_script(
    client: redis.Redis, name: str, keys: Sequence[str], arguments: Sequence[Any], folder: Path = LUA
) -> Any:
    """Run ``<folder>/<name>.lua``, and load it first into a server that does not have it.

    Raises:
        Unavailable: Redis is away, full or not writable now.
    """
    wanted, any_client = script(name, folder), cast("Any", client)
    with translated():
        try:
            return any_client.evalsha(wanted.sha, len(keys), *keys, *arguments)
        except redis.exceptions.NoScriptError:
            return any_client.eval(wanted.text, len(keys), *keys, *arguments)


def connect(url: str) -> redis.Redis:
    """A client that answers or fails within seconds; it connects when first used.

    With ``?cluster=true`` it is one of a Redis Cluster, whose nodes are looked up at once, starting with the one
    that ``url`` names. ``replicas`` is for the front door alone (functions/adapters/redis/pipe.py).

    Raises:
        Unavailable: no node of the cluster says who has which slots.
    """
    limits: dict[str, Any] = {
        "socket_connect_timeout": 3,
        "socket_timeout": 15,
        "health_check_interval": 30,
        "retry": Retry(NoBackoff(), 1),
        "protocol": 2,
    }
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    options.pop("replicas", "")
    clustered = options.pop("cluster", "") == "true"
    url = urlunsplit(parts._replace(query=urlencode(options)))
    if not clustered:
        return redis.Redis.from_url(url, **limits)
    try:
        found: Any = redis.RedisCluster.from_url(url, **limits)
    except redis.RedisClusterException as exc:
        raise Unavailable("Redis") from exc
    return found  # type: ignore[no-any-return] # it has a Redis' commands


@dataclass(frozen=True, slots=True)
class Found:
    """What a look for abandoned or due entries gave: the entries, and how many had lost their event."""

    entries: list[Entry]
    vanished: int = 0


class Channel:
    """One lane of one partition of one channel, as its dispatcher uses it.

    Args:
        client: from :func:`connect`.
        name: one of :data:`CHANNELS`.
        partition: which of its partitions.
        consumer: the name pending entries are held under; unique to the process.
        lane: one of :data:`events.keyspace.LANES`.
        ids_bytes: the bytes of signals, and of notices, that may wait; what an event leads to beyond it is left out of
            their channels until the clock makes up for it.
    """

    def __init__(
        self,
        client: redis.Redis,
        name: str,
        partition: int,
        consumer: str,
        lane: str = FAST,
        *,
        ids_bytes: int = UNBOUNDED,
    ) -> None:
        self.name = name
        self.partition = partition
        self.lane = lane
        self._redis: Any = client  # redis-py's answers are unions of everything; their types are read here
        self._consumer = consumer
        self._stream = stream_key(name, partition, lane)
        self._fair = fair_keys(name, partition) if lane == SLOW else ()
        self._retry = retry_key(name, partition, lane)
        self._parked = parked_key(name, partition, lane)
        self._dead = dead_key(name, partition)
        self._buried = buried_key(name, partition)
        self._bytes = bytes_key(partition)
        self._ids_bytes = ids_bytes
        self._behind = [behind_key(other, partition) for other in CHANNELS if other != name]
        self._replies = {other: stream_key(other, partition, lane) for other in CHANNELS if other != name}
        self._looked_until = "0-0"

    def ensure(self) -> bool:
        """Create the stream and its group from the beginning, unless they exist.

        Returns:
            True if the group was set back to the beginning, because it had passed entries that nobody holds: Redis
            lost a part of what it had written. They are delivered from now on.
        """
        return bool(self._run("ensure", [self._stream], [GROUP, CONSUMER_GONE_MS]))

    def publish(self, *events: bytes) -> None:
        """Append events of the platform's own; what senders bring is the front door's to admit.

        Raises:
            Unavailable: some may be there; the same call again doubles them.
        """
        for start in range(0, len(events), AT_ONCE):
            arguments = [part for event in events[start : start + AT_ONCE] for part in (tenant_of(event), event)]
            self._run("publish", [self._stream, self._bytes], arguments)

    def read(self, count: int, block_ms: int) -> list[Entry]:
        """Take new entries, ``count`` or about :data:`HANDED_BYTES`; wait up to ``block_ms`` for the first."""
        entries = self._read(count)
        if entries or not block_ms:
            return entries
        with translated():
            news = self._redis.xreadgroup(GROUP, self._consumer, {self._stream: ">"}, count=1, block=block_ms)
        entries = [_entry(id_, fields) for _, first in (news or []) for id_, fields in first]
        return entries + self._read(count - 1) if entries and count > 1 else entries

    def _read(self, count: int) -> list[Entry]:
        keys = [self._stream, *self._fair]
        flat = iter(self._run("read", keys, [GROUP, self._consumer, count, HANDED_BYTES, STEP]))
        return [
            Entry(id_.decode(), event) if type(event) is bytes else _entry(id_, event)
            for id_, event in zip(flat, flat, strict=True)
        ]

    def claim(self, count: int, idle_ms: int) -> Found:
        """Take over up to ``count`` entries, or about :data:`HANDED_BYTES`, that another has left for ``idle_ms``.

        One call looks at ten times ``count`` pending entries at most; the next goes on where it stopped.
        """
        until, vanished, entries = self._run(
            "claim",
            [self._stream],
            [GROUP, self._consumer, idle_ms, self._looked_until, count, HANDED_BYTES, STEP],
        )
        self._looked_until = until.decode()
        return Found([_entry(id_, fields, handed) for id_, fields, handed in entries], vanished)

    def lease(self, count: int, lease_ms: int) -> Found:
        """Take retries that are due, ``count`` or about :data:`HANDED_BYTES`, the longest due first.

        Others may after ``lease_ms``.
        """
        vanished, *flat = self._run("lease", [self._retry, self._parked], [count, lease_ms, HANDED_BYTES])
        fields = iter(flat)
        return Found(
            [
                Entry(id_.decode(), event, int(attempts), int(first), int(handed), int(ends))
                for id_, ends, handed, attempts, first, event in zip(*[fields] * 6, strict=True)
            ],
            vanished,
        )

    def release(self, entries: Sequence[Entry], idle_ms: int) -> int:
        """Give back entries that were not delivered; gives how many were this consumer's.

        They can be claimed (by whoever asks for ``idle_ms``) or leased at once, and this time does not count.
        """
        arguments = [part for entry in entries for part in (entry.id, entry.lease_ms, entry.handed)]
        keys = [self._stream, self._retry, self._parked]
        return int(self._run("release", keys, [GROUP, self._consumer, idle_ms, *arguments]))

    def settle(self, outcomes: Sequence[tuple[Entry, Outcome]], tenants: Sequence[str] | None = None) -> int:
        """Record what came of a batch, atomically; gives how many were still this group's to settle.

        Args:
            tenants: whose each entry is; without them the events say so.
        """
        keys = [self._stream, self._retry, self._parked, self._dead, self._buried, self._bytes]
        index = {name: len(keys) + position for position, name in enumerate(self._replies, start=1)}
        arguments: list[Any] = [GROUP, self._ids_bytes]
        if tenants is None:
            tenants = [tenant_of(entry.event) for entry, _ in outcomes]
        for (entry, outcome), tenant in zip(outcomes, tenants, strict=True):
            arguments += [entry.id, entry.lease_ms, tenant, len(entry.event), *_instructions(entry, outcome, index)]
        settled, left_out = self._run("settle", [*keys, *self._replies.values(), *self._behind], arguments)
        if left_out:
            metrics.LEFT_OUT.labels(self.name).inc(left_out)
        return int(settled)

    def depth(self) -> int:
        """How many entries are still to be done, delivered or not."""
        with translated():
            queued = int(self._redis.zcard(self._fair[0])) if self._fair else 0
            return int(self._redis.xlen(self._stream)) + queued

    def parked(self) -> int:
        """How many retries wait for their time."""
        with translated():
            return int(self._redis.zcard(self._retry))

    def buries_all(self) -> bool:
        """Whether an operator wants dead letters buried, however many they are."""
        with translated():
            return bool(self._redis.exists(bury_key(self.name)))

    def ping(self) -> None:
        """Raise :class:`Unavailable` unless Redis answers."""
        with translated():
            self._redis.ping()

    def _run(self, name: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        return run_script(self._redis, name, keys, arguments)


def _instructions(entry: Entry, outcome: Outcome, index: Mapping[str, int]) -> list[Any]:
    """Write one outcome as settle.lua reads it."""
    match outcome:
        case Done(replies):
            flat = [part for name, event in replies for part in (index[name], tenant_of(event), event)]
            return ["done", len(replies), *flat]
        case Park(wait_ms, attempts, first_ms):
            return ["park", wait_ms, f"0\n{attempts}\n{first_ms}\n".encode() + entry.event]
        case Bury():
            fields = {
                "event": outcome.event,  # first: its bytes are counted
                "reason": outcome.reason,
                "status": outcome.status,
                "tenant": outcome.tenant,
                "attempts": outcome.attempts,
                "first": outcome.first_ms,
                "last": outcome.last_ms,
                "event_id": outcome.event_id,
            }
            return ["bury", outcome.event_id, len(fields), *(part for pair in fields.items() for part in pair)]


def _entry(id_: bytes, fields: Any, handed: int = 1) -> Entry:
    """Read an entry of the stream. One that is not ours is kept whole, to be refused and buried with what it says."""
    named = fields if isinstance(fields, dict) else dict(zip(fields[::2], fields[1::2], strict=True))
    event = named[b"event"] if b"event" in named else repr(named).encode()
    return Entry(id_.decode(), event, handed=handed)
