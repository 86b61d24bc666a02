"""A channel in memory that keeps books. The contract tests hold it to what the one on Redis does."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from events.channel import Bury, Done, Entry, Outcome, Park
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
    parked: dict[tuple[str, bytes], Park] = field(default_factory=dict)
    dead: list[Bury] = field(default_factory=list)


class Broker:
    """What Redis is to the real channels: the streams of all of them and a clock in ms that only tests move."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.streams: dict[str, Stream] = defaultdict(Stream)
        self._count = 0

    def add(self, channel: str, event: bytes, *, attempts: int = 0, first_ms: int = 0) -> None:
        """Append an event to a channel."""
        self._count += 1
        entry = Entry(f"{self._count}-0", event, attempts, first_ms)
        self.streams[channel].entries[entry.id] = entry
        self.streams[channel].undelivered.append(entry.id)

    def flush(self) -> None:
        """Lose everything, groups included."""
        self.streams.clear()


class FakeChannel:
    """See :class:`events.channel.Channel`. Reading never waits."""

    def __init__(self, broker: Broker, name: str, consumer: str) -> None:
        self.name = name
        self._broker = broker
        self._consumer = consumer

    def ensure(self) -> None:
        """See Channel."""
        self._stream.grouped = True

    def read(self, count: int, block_ms: int) -> list[Entry]:
        """See Channel."""
        stream = self._grouped()
        taken, stream.undelivered = stream.undelivered[:count], stream.undelivered[count:]
        return self._take(taken)

    def claim(self, count: int, idle_ms: int) -> list[Entry]:
        """See Channel."""
        stream, latest = self._grouped(), self._broker.now_ms - idle_ms
        idle = sorted(
            (id_ for id_, held in stream.pending.items() if held.since_ms <= latest), key=list(stream.entries).index
        )
        return self._take(idle[:count])

    def unpark(self, now_ms: int, count: int) -> int:
        """See Channel."""
        parked = self._stream.parked
        due = sorted((park.due_ms, key) for key, park in parked.items() if park.due_ms <= now_ms)[:count]
        for _, key in due:
            park = parked.pop(key)
            self._broker.add(self.name, key[1], attempts=park.attempts, first_ms=park.first_ms)
        return len(due)

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
        for id_ in ids:
            self._stream.pending[id_] = Pending(self._consumer, self._broker.now_ms)
        return [self._stream.entries[id_] for id_ in ids]

    def _settle(self, stream: Stream, entry: Entry, outcome: Outcome) -> bool:
        if stream.pending.pop(entry.id, None) is None:
            return False
        match outcome:
            case Done(replies):
                for channel, event in replies:
                    if channel == self.name or channel not in CHANNELS:
                        raise KeyError(channel)
                    self._broker.add(channel, event)
            case Park():
                stream.parked[entry.id, entry.event] = outcome
            case Bury():
                stream.dead.append(outcome)
        del stream.entries[entry.id]
        return True
