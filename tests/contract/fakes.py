"""A channel in memory that keeps books. The contract tests hold it to what the one on Redis does."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from events.entry import HANDED_BYTES, Bury, Done, Entry, Found, Outcome, Park
from events.errors import Unavailable
from events.keyspace import CHANNELS


@dataclass
class Pending:
    """Who holds an entry, and since when in ms."""

    consumer: str
    since_ms: int


@dataclass
class Stream:
    """What one channel has: entries in order, whether it has its group, who holds what, retries, dead letters."""

    entries: dict[str, Entry] = field(default_factory=dict)
    grouped: bool = False
    undelivered: list[str] = field(default_factory=list)
    pending: dict[str, Pending] = field(default_factory=dict)
    parked: dict[str, tuple[int, Entry]] = field(default_factory=dict)  # id -> when it is due, what it holds
    dead: list[Bury] = field(default_factory=list)


class Broker:
    """What Redis is to the real channels: the streams of all of them and a clock in ms that only tests move."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.streams: dict[str, Stream] = defaultdict(Stream)
        self._count = 0

    def add(self, channel: str, event: bytes) -> None:
        """Append an event to a channel."""
        self._count += 1
        entry = Entry(f"{self._count}-0", event, handed=0)
        self.streams[channel].entries[entry.id] = entry
        self.streams[channel].undelivered.append(entry.id)

    def flush(self) -> None:
        """Lose everything, groups included."""
        self.streams.clear()


class FakeChannel:
    """See :class:`events.channel.Channel`. Reading never waits."""

    partition = 0
    lane = ""

    def __init__(self, broker: Broker, name: str, consumer: str) -> None:
        self.name = name
        self.bury_all = False
        self._broker = broker
        self._consumer = consumer

    def ensure(self) -> bool:
        """See Channel."""
        self._stream.grouped = True
        return False

    def read(self, count: int, block_ms: int) -> list[Entry]:
        """See Channel."""
        stream = self._grouped()
        taken = _enough([stream.entries[id_] for id_ in stream.undelivered[:count]])
        stream.undelivered = stream.undelivered[len(taken) :]
        return self._take(taken)

    def claim(self, count: int, idle_ms: int) -> Found:
        """See Channel."""
        stream, latest = self._grouped(), self._broker.now_ms - idle_ms
        idle = sorted(
            (id_ for id_, held in stream.pending.items() if held.since_ms <= latest), key=list(stream.entries).index
        )
        return Found(self._take(_enough([stream.entries[id_] for id_ in idle[:count]])))

    def lease(self, count: int, lease_ms: int) -> Found:
        """See Channel."""
        now_ms, parked = self._broker.now_ms, self._stream.parked
        due = sorted((due_ms, id_) for id_, (due_ms, _) in parked.items() if due_ms <= now_ms)[:count]
        leased = []
        for id_ in _enough([parked[id_][1] for _, id_ in due]):
            entry = parked[id_][1]._replace(handed=parked[id_][1].handed + 1, lease_ms=now_ms + lease_ms)
            parked[id_] = (entry.lease_ms, entry)
            leased.append(entry)
        return Found(leased)

    def nack(self, entries: Sequence[Entry], idle_ms: int) -> int:
        """See Channel."""
        return sum(self._nack(entry, idle_ms) for entry in entries)

    def settle(self, outcomes: Sequence[tuple[Entry, Outcome]]) -> int:
        """See Channel."""
        stream = self._grouped() if outcomes else self._stream
        return sum(self._settle(stream, entry, outcome) for entry, outcome in outcomes)

    def depth(self) -> int:
        """See Channel."""
        return len(self._stream.entries)

    def parked(self) -> int:
        """See Channel."""
        return len(self._stream.parked)

    def breaker_overridden(self) -> bool:
        """See Channel."""
        return self.bury_all

    def ping(self) -> None:
        """See Channel. Memory always answers."""

    @property
    def _stream(self) -> Stream:
        return self._broker.streams[self.name]

    def _grouped(self) -> Stream:
        if not self._stream.grouped:
            raise Unavailable("memory")
        return self._stream

    def _take(self, ids: Sequence[str]) -> list[Entry]:
        stream = self._stream
        for id_ in ids:
            stream.pending[id_] = Pending(self._consumer, self._broker.now_ms)
            stream.entries[id_] = stream.entries[id_]._replace(handed=stream.entries[id_].handed + 1)
        return [stream.entries[id_] for id_ in ids]

    def _nack(self, entry: Entry, idle_ms: int) -> bool:
        stream, kept = self._stream, entry._replace(handed=entry.handed - 1)
        if entry.lease_ms:
            held = self._holds(stream, entry)
            if held:
                stream.parked[entry.id] = (self._broker.now_ms, kept)
            return held
        pending = stream.pending.get(entry.id)
        if pending is None or pending.consumer != self._consumer:
            return False
        pending.since_ms = self._broker.now_ms - idle_ms
        stream.entries[entry.id] = kept
        return True

    def _settle(self, stream: Stream, entry: Entry, outcome: Outcome) -> bool:
        if not self._holds(stream, entry):
            return False
        stream.parked.pop(entry.id, None)
        stream.pending.pop(entry.id, None)
        stream.entries.pop(entry.id, None)
        match outcome:
            case Done(replies):
                for channel, event in replies:
                    if channel == self.name or channel not in CHANNELS:
                        raise KeyError(channel)
                    self._broker.add(channel, event)
            case Park(wait_ms, attempts, first_ms):
                due_ms = self._broker.now_ms + wait_ms
                stream.parked[entry.id] = (due_ms, Entry(entry.id, entry.event, attempts, first_ms, handed=0))
            case Bury():
                stream.dead.append(outcome)
        return True

    def _holds(self, stream: Stream, entry: Entry) -> bool:
        if entry.lease_ms:
            return stream.parked.get(entry.id, (0,))[0] == entry.lease_ms
        return entry.id in stream.pending


def _enough(entries: Sequence[Entry]) -> list[str]:
    """The first of them, up to as many bytes as are handed out at once."""
    ids: list[str] = []
    size = 0
    for entry in entries:
        if ids and size + len(entry.event) > HANDED_BYTES:
            break
        ids.append(entry.id)
        size += len(entry.event)
    return ids
