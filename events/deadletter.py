"""Dead letters: the events that nobody could take. Read here, and mended, redriven or purged by somebody.

The dispatcher buries them, one stream for each partition of a channel. A stream's entries cannot change, so the
event of a letter that was edited lies in a hash beside it and leaves with it; keyspace.py has the names.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha1
from heapq import merge
from typing import Any, NamedTuple

import redis
from pydantic_core import to_json

from events import cloudevent, metrics, size
from events.channel import run_script, translated
from events.cloudevent import RESERVED_PREFIX, CloudEvent
from events.errors import Fault, Refused
from events.keyspace import (
    CHANNELS,
    SLOW,
    buried_key,
    bury_key,
    bytes_key,
    dead_key,
    edited_key,
    fair_keys,
    partition_of,
    stream_key,
)

#: Stamped on an event that was redriven, each time anew: whoever remembers what they have seen tells it from the
#: delivery that failed. Its id stays, so that what was done before is not done twice.
REDRIVEN = RESERVED_PREFIX + "redrive"
#: Stamped by the dispatcher on what it buries (Knative's delivery contract).
ERROR_PREFIX = "knativeerror"

#: A letter that has waited for longer needs somebody: nobody looks.
OVERDUE_MS = 24 * 3_600_000
#: So many letters in one partition need somebody at once: nothing removes them, and they take up Redis' memory.
MANY = 10_000
#: The most letters one call looks at, however few of them are wanted.
LOOKED_AT = 10_000
#: As many of a partition's latest letters say whether the line stops; see deadletter_breaker.py.
RECENT = 200
#: The most letters one call redrives or purges.
MOVED = 1_000
#: Letters one script reads or moves, and as many bytes of them as are enough.
CHUNK, CHUNK_BYTES = 100, 1024 * 1024
#: The most bytes of letters one call gives or moves, and looks at: they fit into memory, and into a request's time.
MOVED_BYTES, LOOKED_AT_BYTES = 16 * 1024 * 1024, 64 * 1024 * 1024

_PLACE = re.compile(rf"({'|'.join(CHANNELS)}):([0-9]{{1,9}}):([0-9]{{1,19}})-([0-9]{{1,19}})")
_SPACE = re.compile(r"[ \t\r\n]*")


class Place(NamedTuple):
    """Where a letter lies. Places are ordered by when their letters were buried."""

    ms: int
    number: int
    channel: str
    partition: int

    @classmethod
    def read(cls, text: str) -> Place | None:
        """Read ``<channel>:<partition>:<entry id>``; None when it is none."""
        found = _PLACE.fullmatch(text)
        return cls(int(found[3]), int(found[4]), found[1], int(found[2])) if found else None

    def __str__(self) -> str:
        return f"{self.channel}:{self.partition}:{self.entry}"

    @property
    def entry(self) -> str:
        """The stream's id of it."""
        return f"{self.ms}-{self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """One dead letter.

    Args:
        raw: its event with Knative's error attributes, as it was edited if it was.
        tenant: whose it is; empty where the event could not be read.
        reason: the beginning of the last answer.
        status: of the last answer; 0 for none.
        attempts: deliveries that failed.
        first_ms, last_ms: when the first and the last of them were, Unix ms.
        event_id: the id that the sender was given; empty for what no sender sent.
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
        """What it is called; it stays when the event is edited."""
        return str(self.place)

    @property
    def version(self) -> str:
        """What tells the event it was edited to from others; empty for the one it was buried with."""
        return sha1(self.raw, usedforsecurity=False).hexdigest() if self.edited else ""

    def event(self) -> CloudEvent | None:
        """Give the event, or None where it cannot be read."""
        try:
            return cloudevent.parse(self.raw).event
        except Refused:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which letters; what is None does not matter.

    Args:
        types: one of these.
        event_id: the sender's id of the event, or the one the front door gave it.
        reason: part of it, in upper or lower case.
        since_ms, until_ms: when the last attempt was, Unix ms; ``since_ms`` is included, ``until_ms`` is not.
    """

    tenant: str | None = None
    channel: str | None = None
    types: Collection[str] | None = None
    source: str | None = None
    event_id: str | None = None
    reason: str | None = None
    status: int | None = None
    since_ms: int | None = None
    until_ms: int | None = None

    def fits(self, letter: Letter) -> bool:
        """Whether ``letter`` is one of them."""
        return (
            self.tenant in {None, letter.tenant}
            and self.channel in {None, letter.place.channel}
            and self.status in {None, letter.status}
            and (self.since_ms is None or self.since_ms <= letter.last_ms)
            and (self.until_ms is None or letter.last_ms < self.until_ms)
            and (self.reason is None or self.reason.casefold() in letter.reason.casefold())
            and self._fits_event(letter)
        )

    def _fits_event(self, letter: Letter) -> bool:
        """The same of what only the event says, which is read only where somebody asks."""
        if self.types is None and self.source is None and self.event_id is None:
            return True
        event = letter.event()
        return (
            event is not None
            and (self.types is None or event.type in self.types)
            and self.source in {None, event.source}
            and self.event_id in {None, event.id, cloudevent.event_id(letter.tenant, event.source, event.id)}
        )


@dataclass(frozen=True, slots=True)
class Page:
    """Some letters.

    Args:
        next: where to go on, None at the end. A page may have fewer letters than were asked for, even none, and
            not be the last.
        beyond: how many more were seen that are wanted, where that was counted.
    """

    letters: list[Letter]
    next: str | None
    beyond: int = 0


@dataclass(frozen=True, slots=True)
class Moved:
    """What came of redriving or purging what is wanted.

    Args:
        count: letters that were.
        skipped: letters that cannot be redriven, because their event cannot be read.
        remaining: how many more were seen; as many at least are left for the next call.
        next: where to go on, None at the end.
    """

    count: int
    skipped: int
    remaining: int
    next: str | None


class Waiting(NamedTuple):
    """How many letters wait in a partition, and for how long the oldest has, in ms."""

    letters: int
    oldest_ms: int

    @property
    def need_somebody(self) -> bool:
        """Whether it is time to say so."""
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

    def page(self, wanted: Wanted, *, after: str | None = None, limit: int) -> Page:
        """Give up to ``limit`` letters, the latest buried first.

        Args:
            after: where an earlier page ended.

        Raises:
            Refused: 400, no page ended at ``after``.
        """
        return self._look(wanted, after, limit, latest_first=True)

    def get(self, id_: str, tenant: str | None = None) -> Letter:
        """Give one letter.

        Args:
            tenant: whose it must be; None for anybody's.

        Raises:
            Refused: 404, there is none.
        """
        place = Place.read(id_)
        if place is not None:
            for letter in self._read(place.channel, place.partition, "XRANGE", place.entry, place.entry, 1):
                if tenant in {None, letter.tenant}:
                    return letter
        raise Refused("Not found", status=404, detail="there is no such dead letter")

    def of_event(self, tenant: str, event_id: str) -> Letter | None:
        """Return the latest letter of an event that ``tenant`` sent; None where there is none."""
        partition = partition_of(tenant, self._partitions)
        with translated():  # in the order of characters, a semicolon follows the colon
            found = self._redis.zrevrangebylex(
                buried_key("events", partition), f"({event_id};", f"[{event_id}:", start=0, num=1
            )
        for member in found:
            entry = member.decode().rpartition(":")[2]
            for letter in self._read("events", partition, "XRANGE", entry, entry, 1):
                if letter.tenant == tenant:
                    return letter
        return None

    def edit(self, letter: Letter, event: bytes) -> None:
        """Give ``letter`` another event, from :func:`with_data` or :func:`with_event`.

        Raises:
            Refused: 404, it is gone; 409, it was edited since it was read.
        """
        place = letter.place
        done = self._run("edit", place.channel, place.partition, [place.entry, letter.version, event])
        if done == 0:
            raise Refused("Not found", status=404, detail="there is no such dead letter any more")
        if done < 0:
            raise changed()

    def redrive(self, letters: Sequence[Letter], nonce: Callable[[], str]) -> int:
        """Put ``letters``, whose events can be read, back into their channels, as if never tried; gives how many.

        They go to the slow lane, where they delay nobody, however many there are. What is gone or was edited since
        it was read stays as it is.

        Args:
            nonce: draws what has never been drawn.
        """
        moved = 0
        for (channel, partition), some in _in_chunks(letters):
            arguments: list[str | bytes] = []
            for letter in some:
                arguments += [letter.place.entry, letter.version, redriven(letter.raw, nonce())]
            lane = (stream_key(channel, partition, SLOW), *fair_keys(channel, partition))
            moved += self._run("redrive", channel, partition, arguments, *lane)
        return moved

    def purge(self, letters: Sequence[Letter]) -> int:
        """Throw ``letters`` away; gives how many. What is gone or was edited since it was read stays as it is."""
        return sum(
            self._run(
                "purge", channel, partition, [part for letter in some for part in (letter.place.entry, letter.version)]
            )
            for (channel, partition), some in _in_chunks(letters)
        )

    def redrive_wanted(self, wanted: Wanted, nonce: Callable[[], str], *, after: str | None = None) -> Moved:
        """Redrive up to :data:`MOVED` letters, the first buried first; see :meth:`redrive` and :meth:`page`."""
        found = self._look(wanted, after, MOVED, latest_first=False)
        readable = [letter for letter in found.letters if letter.event() is not None]
        moved = self.redrive(readable, nonce)
        return Moved(moved, len(found.letters) - len(readable), found.beyond, found.next)

    def purge_wanted(self, wanted: Wanted, *, after: str | None = None) -> Moved:
        """Purge up to :data:`MOVED` letters, the first buried first; see :meth:`purge` and :meth:`page`."""
        found = self._look(wanted, after, MOVED, latest_first=False)
        return Moved(self.purge(found.letters), 0, found.beyond, found.next)

    def count(self, wanted: Wanted) -> int:
        """How many letters there are of those ``wanted``."""
        return sum(map(wanted.fits, self._letters(wanted, None, latest_first=False)))

    def allow(self, channel: str, seconds: int) -> None:
        """Override the channel's dead-letter breaker for so long; see deadletter_breaker.py."""
        with translated():
            self._redis.set(bury_key(channel), b"1", ex=seconds)

    def watch(self, channel: str, partition: int, now_ms: int) -> Waiting:
        """Publish, and give, how many letters wait and since when; cheap, whatever they hold."""
        letters, *since = self._run("waiting", channel, partition, [])
        waiting = Waiting(letters, max(0, now_ms - int(since[0])) if since else 0)
        metrics.DEAD.labels(channel, str(partition)).set(waiting.letters)
        metrics.DEAD_OLDEST.labels(channel, str(partition)).set(waiting.oldest_ms / 1000)
        return waiting

    def recent(self, channel: str, within_s: float) -> list[tuple[str, float]]:
        """Whose letters were buried in the last ``within_s`` seconds, as ``(tenant, seconds ago)``.

        Only the latest :data:`RECENT` of each partition, and only those that are still there: what somebody has
        redriven or purged since is settled.
        """
        found: list[tuple[str, float]] = []
        for partition in range(self._partitions):
            flat = self._run("recent", channel, partition, [int(within_s * 1000), RECENT])
            found += [(tenant.decode(), ms / 1000) for tenant, ms in zip(flat[::2], flat[1::2], strict=True)]
        return found

    def _look(self, wanted: Wanted, after: str | None, most: int, *, latest_first: bool) -> Page:
        """Look at letters from ``after`` on: as many as one call does, or until a list has what it wants."""
        found: list[Letter] = []
        last, beyond, size, looked_at = _cursor(after), 0, 0, 0
        letters = self._letters(wanted, last, latest_first=latest_first)
        for seen, letter in enumerate(letters):
            if seen == LOOKED_AT or looked_at >= LOOKED_AT_BYTES:
                return Page(found, str(last) if not beyond else found[-1].id, beyond)
            last = letter.place
            looked_at += len(letter.raw)
            if not wanted.fits(letter):
                continue
            if not beyond and len(found) < most and size < MOVED_BYTES:
                found.append(letter)
                size += len(letter.raw)
            else:
                beyond += 1
                if latest_first:
                    break
        return Page(found, found[-1].id if beyond else None, beyond)

    def _letters(self, wanted: Wanted, after: Place | None, *, latest_first: bool) -> Iterator[Letter]:
        """Every letter that may be wanted, in the order of their places, from ``after`` on."""
        channels = CHANNELS if wanted.channel is None else (wanted.channel,)
        partitions = (
            range(self._partitions) if wanted.tenant is None else (partition_of(wanted.tenant, self._partitions),)
        )
        streams = (
            self._stream(channel, partition, after, latest_first=latest_first)
            for channel in channels
            for partition in partitions
        )
        return merge(*streams, key=lambda letter: letter.place, reverse=latest_first)

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
            dead_key(channel, partition),
            edited_key(channel, partition),
            buried_key(channel, partition),
            bytes_key(partition),
        )
        return run_script(self._redis, name, [*own, *keys], arguments)


def changed() -> Refused:
    """What to say when somebody else was faster."""
    return Refused("Conflict", status=409, detail="this letter was changed at the same time; look at it again")


def redriven(raw: bytes, nonce: str) -> bytes:
    """Write a dead letter's event as it is published again: no errors, and a nonce. All else stays to the byte."""
    kept = _members(raw, without=lambda name: name.startswith(ERROR_PREFIX) or name == REDRIVEN)
    return cloudevent.stamp(kept, **{REDRIVEN: nonce})


def with_data(letter: Letter, data: object) -> bytes:
    """Write a letter's event with other data, which comes first: see :func:`events.cloudevent.tenant_of`.

    Raises:
        Refused: 409, there is no event to be read; 400, the new one is none.
    """
    _readable(letter)
    envelope = _members(letter.raw, without=lambda name: name in {"data", "data_base64"})
    given = to_json(data)
    size.check(given, inside="/data")
    return cloudevent.parse(b'{"data":' + given + b"," + envelope[1:]).raw


def with_event(letter: Letter, given: Mapping[str, object]) -> bytes:
    """Write another event for a letter: ``given``, with the identity and the stamps of the one it has.

    Those may be left out of ``given``, or be in it as they are.

    Raises:
        Refused: 409, there is no event to be read; 422, ``given`` has another identity; 400, it is no event.
    """
    before = _readable(letter).model_dump()
    stays = {name: value for name, value in before.items() if _stays(name)}
    wrong = [name for name, value in given.items() if _stays(name) and (name not in stays or stays[name] != value)]
    if wrong:
        raise Refused(
            "Unacceptable event",
            status=422,
            faults=tuple(Fault(cloudevent.pointer([name]), "must stay as it is") for name in wrong),
        )
    changed = {name: value for name, value in given.items() if name not in stays}
    raw = to_json({**changed, **stays})
    size.check(raw)
    return cloudevent.parse(raw).raw  # stamps last: see cloudevent.tenant_of


def _stays(name: str) -> bool:
    """Whether an attribute is whose and which event it is, or what has happened to it."""
    return name in {"id", "source"} or name.startswith((RESERVED_PREFIX, ERROR_PREFIX))


def _readable(letter: Letter) -> CloudEvent:
    event = letter.event()
    if event is None:
        raise Refused("Unreadable", status=409, detail="this letter's event cannot be read, only purged")
    return event


def _members(raw: bytes, *, without: Callable[[str], bool]) -> bytes:
    """Write a JSON object without some of its members; the others stay to the byte."""
    text, kept = raw.decode(), []
    decoder = json.JSONDecoder(parse_int=str, parse_float=str)  # where a number ends is all that matters
    at = _after_space(text, 1)
    while text[at] != "}":
        start = at
        name, at = decoder.raw_decode(text, at)
        at = decoder.raw_decode(text, _after_space(text, _after_space(text, at) + 1))[1]
        if not without(name):
            kept.append(text[start:at])
        at = _after_space(text, at)
        if text[at] == ",":
            at = _after_space(text, at + 1)
    return ("{" + ",".join(kept) + "}").encode()


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


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


def _cursor(after: str | None) -> Place | None:
    if after is None:
        return None
    place = Place.read(after)
    if place is None:
        raise Refused("Bad request", faults=(Fault("/cursor", "is not one that was given"),))
    return place


def _in_chunks(letters: Sequence[Letter]) -> Iterator[tuple[tuple[str, int], Sequence[Letter]]]:
    """Letters by channel and partition, no more at a time than a script may move."""
    by_stream: dict[tuple[str, int], list[Letter]] = defaultdict(list)
    for letter in letters:
        by_stream[letter.place.channel, letter.place.partition].append(letter)
    for stream, some in by_stream.items():
        chunk: list[Letter] = []
        size = 0
        for letter in some:
            if len(chunk) == CHUNK or (chunk and size + len(letter.raw) > CHUNK_BYTES):
                yield stream, chunk
                chunk, size = [], 0
            chunk.append(letter)
            size += len(letter.raw)
        yield stream, chunk
