"""The Redis Streams that carry events. No other module speaks XADD, XREADGROUP, XACK or XAUTOCLAIM.

A lane of a channel's partition is a stream with one consumer group and a sorted set of parked retries. An overflow
lane has a fair queue before its stream. A partition has one stream of dead letters. keyspace.py has their names.
An entry leaves a stream only by being settled: ``XLEN`` is always exactly what is still to be done there, beside what
the fair queue holds.
All durations are Redis' own clock's: a dispatcher whose clock jumps changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from events import metrics
from events.cloudevent import tenant_of
from events.entry import HANDED_BYTES, Bury, Done, Entry, Found, Outcome, Park
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

#: A consumer without pending entries is deleted when it has been idle for so long.
CONSUMER_GONE_MS = 3_600_000
#: How many events of the platform's own one script call publishes.
AT_ONCE = 500
#: Bytes: no bound.
UNBOUNDED = 10**15
#: How many entries are taken before their sizes are looked at.
STEP = 10


@contextmanager
def translated() -> Iterator[None]:
    """Translate redis-py's errors into this platform's."""
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
    """Return a client that answers or fails within seconds; it connects when first used.

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


class Channel:
    """One lane of one partition of one channel, as its dispatcher uses it.

    Args:
        client: from :func:`connect`.
        name: one of :data:`CHANNELS`.
        partition: which of its partitions.
        consumer: the name under which entries are pending; unique to the process.
        lane: one of :data:`events.keyspace.LANES`.
        ids_bytes: the bytes of signals, and of notices, that may wait. Replies beyond it are left out, and the clock
            publishes them later.
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
            True if the group was set back to the beginning because Redis had lost a part of its data: there were
            entries before the group's position that no consumer had. They are delivered from now on.
        """
        return bool(self._run("ensure", [self._stream], [GROUP, CONSUMER_GONE_MS]))

    def publish(self, *events: bytes) -> None:
        """Append events of the platform's own. Senders' events are appended by the front door's script.

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
        """Claim entries that have been idle for ``idle_ms``: up to ``count``, or about :data:`HANDED_BYTES`.

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
        """Lease due retries, ``count`` or about :data:`HANDED_BYTES`, the longest due first.

        The lease is a visibility timeout: after ``lease_ms`` other consumers may lease them.
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

    def nack(self, entries: Sequence[Entry], idle_ms: int) -> int:
        """Return entries that were not delivered to the channel, without counting this hand-out.

        They can be claimed (by a consumer that asks for ``idle_ms``) or leased at once.

        Returns:
            How many of them this consumer still had.
        """
        arguments = [part for entry in entries for part in (entry.id, entry.lease_ms, entry.handed)]
        keys = [self._stream, self._retry, self._parked]
        return int(self._run("nack", keys, [GROUP, self._consumer, idle_ms, *arguments]))

    def settle(self, outcomes: Sequence[tuple[Entry, Outcome]]) -> int:
        """Record the outcomes of a batch, atomically: settle acks, parks or dead-letters each entry.

        Returns:
            How many of them were still pending or leased; the others were settled before.
        """
        keys = [self._stream, self._retry, self._parked, self._dead, self._buried, self._bytes]
        index = {name: len(keys) + position for position, name in enumerate(self._replies, start=1)}
        arguments: list[Any] = [GROUP, self._ids_bytes]
        for entry, outcome in outcomes:
            tenant = tenant_of(entry.event)
            arguments += [entry.id, entry.lease_ms, tenant, len(entry.event), *_instructions(entry, outcome, index)]
        settled, left_out = self._run("settle", [*keys, *self._replies.values(), *self._behind], arguments)
        if left_out:
            metrics.LEFT_OUT.labels(self.name).inc(left_out)
        return int(settled)

    def depth(self) -> int:
        """Return how many entries are not settled, delivered or not."""
        with translated():
            queued = int(self._redis.zcard(self._fair[0])) if self._fair else 0
            return int(self._redis.xlen(self._stream)) + queued

    def parked(self) -> int:
        """Return how many retries wait for their time."""
        with translated():
            return int(self._redis.zcard(self._retry))

    def breaker_overridden(self) -> bool:
        """Return whether an operator lets events be dead-lettered, however many there are."""
        with translated():
            return bool(self._redis.exists(bury_key(self.name)))

    def ping(self) -> None:
        """Raise :class:`Unavailable` unless Redis answers."""
        with translated():
            self._redis.ping()

    def _run(self, name: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        return run_script(self._redis, name, keys, arguments)


def _instructions(entry: Entry, outcome: Outcome, index: Mapping[str, int]) -> list[Any]:
    """Return one outcome as settle.lua reads it."""
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
    """Return an entry of the stream. A foreign one has all its fields as its event, and will be dead-lettered."""
    named = fields if isinstance(fields, dict) else dict(zip(fields[::2], fields[1::2], strict=True))
    event = named[b"event"] if b"event" in named else repr(named).encode()
    return Entry(id_.decode(), event, handed=handed)
