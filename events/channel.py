"""The Redis Streams that carry events. No other module speaks XADD, XREADGROUP, XACK or XAUTOCLAIM.

A channel is a stream per partition with one consumer group, a sorted set of parked retries and a stream of
dead letters; keyspace.py has their names.
An entry leaves a stream only by being settled: ``XLEN`` is always exactly what is still to be done.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from events.errors import Unavailable
from events.keyspace import CHANNELS, GROUP, PASSING, dead_key, retry_key, script, stream_key


@dataclass(frozen=True, slots=True)
class Entry:
    """One delivery of one event.

    Args:
        id: the stream's id of it.
        event: structured JSON.
        attempts: deliveries that failed before this one.
        first_ms: when the first of them was, Unix ms; 0 when this is the first.
    """

    id: str
    event: bytes
    attempts: int = 0
    first_ms: int = 0


@dataclass(frozen=True, slots=True)
class Done:
    """Settled well: what it led to goes to the next channels, as ``(channel, event)``."""

    replies: Sequence[tuple[str, bytes]] = ()


@dataclass(frozen=True, slots=True)
class Park:
    """To be delivered again at ``due_ms`` (Unix ms), as attempt number ``attempts`` + 1."""

    due_ms: int
    attempts: int
    first_ms: int


@dataclass(frozen=True, slots=True)
class Bury:
    """Given up: ``event`` with its error attributes goes to the dead letters."""

    event: bytes
    reason: str
    attempts: int
    first_ms: int
    last_ms: int


Outcome = Done | Park | Bury


@contextmanager
def translated() -> Iterator[None]:
    """Turn what redis-py raises into this platform's errors."""
    try:
        yield
    except (redis.ConnectionError, redis.TimeoutError, OSError) as exc:
        raise Unavailable("Redis") from exc
    except redis.ResponseError as exc:
        # Error replies inside a script arrive with the script's position appended, so the code is looked for.
        if str(exc).startswith(PASSING) or isinstance(exc, redis.exceptions.OutOfMemoryError):
            raise Unavailable("Redis") from exc
        raise


def connect(url: str) -> redis.Redis:
    """A client that answers or fails within seconds; it connects when first used."""
    return redis.Redis.from_url(
        url,
        socket_connect_timeout=3,
        socket_timeout=15,
        health_check_interval=30,
        retry=Retry(NoBackoff(), 1),
        protocol=2,
    )


class Channel:
    """One partition of one channel, as its dispatcher uses it.

    Args:
        client: from :func:`connect`.
        name: one of :data:`CHANNELS`.
        partition: which of its streams.
        consumer: the name pending entries are held under; unique to the process.
    """

    def __init__(self, client: redis.Redis, name: str, partition: int, consumer: str) -> None:
        self.name = name
        self._redis: Any = client  # redis-py's answers are unions of everything; their types are read here
        self._consumer = consumer
        self._stream = stream_key(name, partition)
        self._retry = retry_key(name, partition)
        self._dead = dead_key(name, partition)
        self._replies = {other: stream_key(other, partition) for other in CHANNELS if other != name}

    def ensure(self) -> None:
        """Create the stream and its group from the beginning, unless they exist."""
        self._run("ensure", [self._stream], [GROUP])

    def read(self, count: int, block_ms: int) -> list[Entry]:
        """Take up to ``count`` new entries, waiting up to ``block_ms`` for the first."""
        with translated():
            found = self._redis.xreadgroup(GROUP, self._consumer, {self._stream: ">"}, count=count, block=block_ms)
        return [entry for _, entries in (found or []) for entry in _entries(entries)]

    def claim(self, count: int, idle_ms: int) -> list[Entry]:
        """Take over up to ``count`` entries that another consumer has left pending for ``idle_ms``."""
        with translated():
            answer = self._redis.xautoclaim(self._stream, GROUP, self._consumer, min_idle_time=idle_ms, count=count)
        return list(_entries(answer[1]))

    def unpark(self, now_ms: int, count: int) -> int:
        """Put up to ``count`` retries that are due back into the stream; gives how many."""
        return int(self._run("unpark", [self._stream, self._retry], [now_ms, count]))

    def settle(self, outcomes: Sequence[tuple[Entry, Outcome]]) -> int:
        """Record what came of a batch, atomically; gives how many were still this group's to settle."""
        targets = list(self._replies)
        keys = [self._stream, self._retry, self._dead, *self._replies.values()]
        index = {name: 4 + position for position, name in enumerate(targets)}
        arguments: list[Any] = [GROUP]
        for entry, outcome in outcomes:
            arguments += [entry.id, *_instructions(entry, outcome, index)]
        return int(self._run("settle", keys, arguments))

    def depth(self) -> int:
        """How many entries are still to be done, delivered or not."""
        with translated():
            return int(self._redis.xlen(self._stream))

    def parked(self) -> int:
        """How many retries wait for their time."""
        with translated():
            return int(self._redis.zcard(self._retry))

    def ping(self) -> None:
        """Raise :class:`Unavailable` unless Redis answers."""
        with translated():
            self._redis.ping()

    def _run(self, name: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        wanted = script(name)
        with translated():
            try:
                return self._redis.evalsha(wanted.sha, len(keys), *keys, *arguments)
            except redis.exceptions.NoScriptError:
                return self._redis.eval(wanted.text, len(keys), *keys, *arguments)


def _instructions(entry: Entry, outcome: Outcome, index: Mapping[str, int]) -> list[Any]:
    """Write one outcome as settle.lua reads it."""
    match outcome:
        case Done(replies):
            flat = [part for name, event in replies for part in (index[name], event)]
            return ["done", len(replies), *flat]
        case Park(due_ms, attempts, first_ms):
            header = f"{entry.id}\n{attempts}\n{first_ms}\n".encode()
            return ["park", due_ms, header + entry.event]
        case Bury():
            fields = {
                "event": outcome.event,
                "reason": outcome.reason,
                "attempts": outcome.attempts,
                "first": outcome.first_ms,
                "last": outcome.last_ms,
            }
            return ["bury", len(fields), *(part for pair in fields.items() for part in pair)]


def _entries(found: Sequence[Any]) -> Iterator[Entry]:
    for id_, fields in found:
        if fields:  # an entry deleted under its reader has none; XAUTOCLAIM drops it from the pending list
            yield Entry(id_.decode(), fields[b"event"], int(fields.get(b"attempts", 0)), int(fields.get(b"first", 0)))
