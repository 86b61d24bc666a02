"""Publishes the ids that were left out of ``signals`` and ``notices`` while too many waited there.

A search or a mail server that is away for a day must not fill Redis: lua/settle.lua leaves out ids, which PostgreSQL
has as well, and notes since when. Once there is room, they are read from PostgreSQL and published. Publishing twice is
harmless: documents and notices have fixed ids, and a notice is claimed before it is sent.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta

from events import channel
from events.keyspace import partition_of
from events.settings import TickSettings
from functions.adapters.postgres.database import Database
from functions.adapters.postgres.recorded_signals import PostgresRecordedSignals
from functions.adapters.postgres.signal_store import MOST_FORGOTTEN, PostgresSignalStore
from functions.adapters.redis.behind import BehindChannel, Stretch
from functions.domain.platform_events import UNSENT_UNTIL, due, signal_recorded

#: Signals read at a time, and the stretch of time they are looked for in: what PostgreSQL sorts stays small.
AT_ONCE, SLICE = 5_000, timedelta(minutes=10)
#: Seconds after which the rest is left to the next look; every channel that is behind has its part of them.
LONGEST_S = 40.0


def catch_up(settings: TickSettings, now: datetime, now_s: Callable[[], float]) -> int:
    """Publish the ids that were left out, as far as there is room for them.

    Args:
        now_s: a clock that only goes forward, in seconds.

    Returns:
        How many entries were published.
    Raises:
        Unavailable: PostgreSQL or Redis could not be reached; the next call goes on.
    """
    published = 0
    with closing(channel.connect(settings.redis_url)) as client:
        channels = [
            (publish, partition, BehindChannel(client, name, partition))
            for partition in range(settings.partitions)
            for name, publish in (("signals", _signals), ("notices", _notices))
            if settings.copied or name != "signals"
        ]
        late = [(*each, stretch) for each in channels if (stretch := each[2].stretch())]
        for publish, partition, behind, stretch in late:
            look = _Look(settings, partition, now, now_s, LONGEST_S / len(late))
            with closing(Database(settings.database_url)) as database:
                published += publish(database, behind, stretch, look)
    return published


class _Look:
    """One look at one partition."""

    def __init__(
        self, settings: TickSettings, partition: int, now: datetime, now_s: Callable[[], float], longest_s: float
    ) -> None:
        self.now = now
        self.ids_bytes = settings.ids_bytes
        self._partitions = settings.partitions
        self._partition = partition
        self._now_s = now_s
        self._ends_s = now_s() + longest_s

    def over(self) -> bool:
        """Return whether the rest is the next look's."""
        return self._now_s() >= self._ends_s

    def has(self, tenant: str) -> bool:
        """Return whether a tenant lives in the partition."""
        return partition_of(tenant, self._partitions) == self._partition


def _signals(database: Database, behind: BehindChannel, stretch: Stretch, look: _Look) -> int:
    """Publish ids of signals in the order in which they were processed, a slice of time after the other."""
    recorded, at, published = PostgresRecordedSignals(database), stretch.since, 0
    while not look.over() and (room := behind.room(look.ids_bytes)):
        most, end = min(room, AT_ONCE), min(at + SLICE, stretch.until)
        rows = recorded.processed(at, end, most)
        replies = [signal_recorded(tenant, id_).event.encode() for tenant, id_, _ in rows if look.has(tenant)]
        behind.publish(replies)
        published += len(replies)
        at = rows[-1][2] if len(rows) >= most else end
        over = at >= stretch.until
        if not behind.caught_up(stretch, None if over else at) or over:
            break
    return published


def _notices(database: Database, behind: BehindChannel, stretch: Stretch, look: _Look) -> int:
    """Publish ids of notices that are due and not sent, the latest first; those of the next look were sent by then."""
    room = behind.room(look.ids_bytes)
    if not room:
        return 0
    unsent = PostgresSignalStore(database).forgotten_notices(look.now - UNSENT_UNTIL, look.now)
    replies = [due(tenant, id_).event.encode() for tenant, id_ in unsent[:room] if look.has(tenant)]
    behind.publish(replies)
    if len(unsent) < min(room, MOST_FORGOTTEN):
        behind.caught_up(stretch, None)
    return len(replies)
