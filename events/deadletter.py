"""The streams of dead letters: events that no function took, read, edited, redriven and purged here.

The dispatcher writes them, one stream for each partition of a channel. A stream's entries cannot change, so the event
of an edited dead letter lies in a hash beside it and leaves with it; keyspace.py has the names.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha1
from heapq import merge
from typing import Any, NamedTuple

import redis

from events import cloudevent, keyspace, metrics
from events.channel import run_script, translated
from events.cloudevent import CloudEvent
from events.errors import Refused
from events.keyspace import CHANNELS

#: A dead letter that has waited for longer needs an operator.
OVERDUE_MS = 24 * 3_600_000
#: So many dead letters in one partition need an operator at once: nothing removes them, and they take Redis' memory.
MANY = 10_000
#: How many of a partition's latest dead letters count towards the circuit breaker; see deadletter_breaker.py.
RECENT = 200
#: The most dead letters that one script reads or moves, and the bytes of them after which it ends sooner.
CHUNK, CHUNK_BYTES = 100, 1024 * 1024

_PLACE = re.compile(rf"({'|'.join(CHANNELS)}):([0-9]{{1,9}}):([0-9]{{1,19}})-([0-9]{{1,19}})")


class Place(NamedTuple):
    """Where a dead letter lies. Places are ordered by when their dead letters were written."""

    ms: int
    number: int
    channel: str
    partition: int

    @classmethod
    def read(cls, text: str) -> Place | None:
        """Read ``<channel>:<partition>:<entry id>``. Return None for any other text."""
        found = _PLACE.fullmatch(text)
        return cls(int(found[3]), int(found[4]), found[1], int(found[2])) if found else None

    def __str__(self) -> str:
        return f"{self.channel}:{self.partition}:{self.entry}"

    @property
    def entry(self) -> str:
        """The id of its entry in the stream."""
        return f"{self.ms}-{self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One dead letter.

    Args:
        raw: its event with Knative's error attributes; the edited one if it was edited.
        tenant: the tenant that sent it; empty where the event cannot be read.
        reason: the beginning of the last answer.
        status: of the last answer; 0 for no answer.
        attempts: deliveries that failed.
        first_ms, last_ms: when the first and the last of them were, Unix ms.
        event_id: the id that the front door gave it; empty for events of the platform's own.
    """

    place: Place
    raw: bytes
    tenant: str
    reason: str
    status: int
    attempts: int
    first_ms: int
    last_ms: int
    edited: bool
    event_id: str = ""

    @property
    def id(self) -> str:
        """Its name for people; editing the event does not change it."""
        return str(self.place)

    @property
    def version(self) -> str:
        """The SHA-1 of the edited event; empty for one that was not edited. Scripts refuse to act on an older one."""
        return sha1(self.raw, usedforsecurity=False).hexdigest() if self.edited else ""

    def event(self) -> CloudEvent | None:
        """Return the event, or None where it cannot be read."""
        try:
            return cloudevent.parse(self.raw).event
        except Refused:
            return None


class Waiting(NamedTuple):
    """How many dead letters a partition has, and the age of the oldest in ms."""

    letters: int
    oldest_ms: int

    @property
    def need_somebody(self) -> bool:
        """Whether an operator should look at them."""
        return self.oldest_ms > OVERDUE_MS or self.letters >= MANY


class DeadLetters:
    """The dead letters of every channel.

    Every method raises :class:`events.errors.Unavailable` when Redis cannot be reached; the same call again is safe.

    Args:
        client: from :func:`events.channel.connect`.
        partitions: how many the installation has.
    """

    def __init__(self, client: redis.Redis, partitions: int) -> None:
        self._redis: Any = client  # redis-py's answers are unions of everything; their types are read here
        self._partitions = partitions

    def scan(
        self,
        channels: Iterable[str] = CHANNELS,
        *,
        tenant: str | None = None,
        after: Place | None = None,
        latest_first: bool = False,
    ) -> Iterator[Letter]:
        """Yield dead letters in the order of their places, from ``after`` on.

        Args:
            tenant: read only the partition of this tenant, which others may share; None for every partition.
        """
        partitions = range(self._partitions) if tenant is None else (keyspace.partition_of(tenant, self._partitions),)
        streams = (
            self._stream(channel, partition, after, latest_first=latest_first)
            for channel in channels
            for partition in partitions
        )
        return merge(*streams, key=lambda letter: letter.place, reverse=latest_first)

    def get(self, place: Place) -> Letter | None:
        """Return one dead letter; None where there is none."""
        found = self._read(place.channel, place.partition, "XRANGE", place.entry, place.entry, 1)
        return found[0] if found else None

    def of_event(self, tenant: str, event_id: str) -> Letter | None:
        """Return the latest dead letter of an event that ``tenant`` sent; None where there is none."""
        partition = keyspace.partition_of(tenant, self._partitions)
        with translated():  # in the order of characters, a semicolon follows the colon
            found = self._redis.zrevrangebylex(
                keyspace.buried_key("events", partition), f"({event_id};", f"[{event_id}:", start=0, num=1
            )
        for member in found:
            place = Place.read(f"events:{partition}:{member.decode().rpartition(':')[2]}")
            letter = place and self.get(place)
            if letter and letter.tenant == tenant:
                return letter
        return None

    def edit(self, letter: Letter, event: bytes) -> None:
        """Replace the event of ``letter``.

        Raises:
            Refused: 404, it is gone; 409, it was edited since it was read.
        """
        place = letter.place
        done = self._run("edit", place.channel, place.partition, [place.entry, letter.version, event])
        if done == 0:
            raise Refused("Not found", status=404, detail="there is no such dead letter any more")
        if done < 0:
            raise changed()

    def redrive(self, letters: Sequence[Letter], published: Callable[[Letter], bytes]) -> int:
        """Publish an event for each of ``letters`` into its channel and remove the dead letter.

        They go to the overflow lane, where they delay nobody, however many there are. A dead letter that is gone or
        was edited since it was read stays as it is.

        Args:
            published: returns the event to publish.
        Returns:
            How many were moved.
        """
        moved = 0
        for channel, partition, some in _in_chunks(letters):
            arguments = [part for letter in some for part in (letter.place.entry, letter.version, published(letter))]
            lane = (keyspace.stream_key(channel, partition, keyspace.SLOW), *keyspace.fair_keys(channel, partition))
            moved += self._run("redrive", channel, partition, arguments, *lane)
        return moved

    def purge(self, letters: Sequence[Letter]) -> int:
        """Remove ``letters``. One that is gone or was edited since it was read stays as it is.

        Returns:
            How many were removed.
        """
        removed = 0
        for channel, partition, some in _in_chunks(letters):
            arguments = [part for letter in some for part in (letter.place.entry, letter.version)]
            removed += self._run("purge", channel, partition, arguments)
        return removed

    def allow(self, channel: str, seconds: int) -> None:
        """Override the circuit breaker of ``channel`` for ``seconds``: every failure may become a dead letter."""
        with translated():
            self._redis.set(keyspace.bury_key(channel), b"1", ex=seconds)

    def watch(self, channel: str, partition: int, now_ms: int) -> Waiting:
        """Publish as metrics, and return, how many dead letters wait and since when; their events are not read."""
        letters, *since = self._run("waiting", channel, partition, [])
        waiting = Waiting(letters, max(0, now_ms - int(since[0])) if since else 0)
        metrics.DEAD.labels(channel, str(partition)).set(waiting.letters)
        metrics.DEAD_OLDEST.labels(channel, str(partition)).set(waiting.oldest_ms / 1000)
        return waiting

    def recent(self, channel: str, within_s: float) -> list[tuple[str, float]]:
        """Return ``(tenant, seconds ago)`` for the dead letters of the last ``within_s`` seconds.

        At most the latest :data:`RECENT` of each partition. Those that were redriven or purged since do not count.
        """
        found: list[tuple[str, float]] = []
        for partition in range(self._partitions):
            flat = self._run("recent", channel, partition, [int(within_s * 1000), RECENT])
            found += [(tenant.decode(), ms / 1000) for tenant, ms in zip(flat[::2], flat[1::2], strict=True)]
        return found

    def _stream(self, channel: str, partition: int, after: Place | None, *, latest_first: bool) -> Iterator[Letter]:
        command, start, end = ("XREVRANGE", "+", "-") if latest_first else ("XRANGE", "-", "+")
        if after is not None:
            # Of two letters with one entry id, in two streams, the places say which comes first.
            here = Place(after.ms, after.number, channel, partition)
            beyond = here < after if latest_first else here > after
            start = after.entry if beyond else f"({after.entry}"
        while letters := self._read(channel, partition, command, start, end, CHUNK):
            start = f"({letters[-1].place.entry}"
            yield from letters

    def _read(self, channel: str, partition: int, command: str, start: str, end: str, most: int) -> list[Letter]:
        found = self._run("letters", channel, partition, [command, start, end, most, CHUNK_BYTES])
        return [_letter(channel, partition, *entry) for entry in found]

    def _run(self, name: str, channel: str, partition: int, arguments: Sequence[str | bytes | int], *keys: str) -> Any:
        own = (
            keyspace.dead_key(channel, partition),
            keyspace.edited_key(channel, partition),
            keyspace.buried_key(channel, partition),
            keyspace.bytes_key(partition),
        )
        return run_script(self._redis, name, [*own, *keys], arguments)


def changed() -> Refused:
    """Return the refusal of a dead letter that was changed since it was read."""
    return Refused("Conflict", status=409, detail="this letter was changed at the same time; look at it again")


def _letter(channel: str, partition: int, entry: bytes, flat: Sequence[bytes], edited: bytes | None) -> Letter:
    fields = dict(zip(flat[::2], flat[1::2], strict=True))
    ms, _, number = entry.decode().partition("-")
    return Letter(
        place=Place(int(ms), int(number), channel, partition),
        raw=fields[b"event"] if edited is None else edited,
        tenant=fields.get(b"tenant", b"").decode(),
        reason=fields.get(b"reason", b"").decode("utf-8", "replace"),
        status=int(fields.get(b"status", 0)),
        attempts=int(fields.get(b"attempts", 0)),
        first_ms=int(fields.get(b"first", ms)),
        last_ms=int(fields.get(b"last", ms)),
        edited=edited is not None,
        event_id=fields.get(b"event_id", b"").decode(),
    )


def _in_chunks(letters: Sequence[Letter]) -> Iterator[tuple[str, int, list[Letter]]]:
    """Yield dead letters by channel and partition, in chunks that one script may move."""
    by_stream: dict[tuple[str, int], list[Letter]] = defaultdict(list)
    for letter in letters:
        by_stream[letter.place.channel, letter.place.partition].append(letter)
    for stream, some in by_stream.items():
        chunk: list[Letter] = []
        size = 0
        for letter in some:
            if len(chunk) == CHUNK or (chunk and size + len(letter.raw) > CHUNK_BYTES):
                yield *stream, chunk
                chunk, size = [], 0
            chunk.append(letter)
            size += len(letter.raw)
        yield *stream, chunk
