"""What Redis must hold before events are taken, written from PostgreSQL: consumer groups, counts, key directory.

A Redis that came back without its data has also lost the entries that tell index and notify of what was recorded just
before. They are told again, once every request from before the loss has ended.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import closing
from datetime import datetime, timedelta
from itertools import product

import redis

from events import channel, keyspace
from events.answer import Reply
from events.settings import Settings
from functions import tenants
from functions.adapters.postgres.database import Database
from functions.adapters.postgres.recorded_signals import PostgresRecordedSignals
from functions.adapters.postgres.signal_store import PostgresSignalStore
from functions.adapters.redis import partitions, usage
from functions.adapters.redis.keys import RedisKeyDirectory
from functions.process.handler import FORGOTTEN_UNTIL, due, signal_recorded

#: How far back the last recorded signals are looked for: nothing is recorded while Redis is away. The nearest stretch
#: that has some is taken, so that a short outage costs a short look.
REACH = tuple(timedelta(minutes=minutes) for minutes in (10, 60, 24 * 60, 7 * 24 * 60))
#: The most signals that are told again, the latest first: a minute and a half at 200 events a second.
MOST_SIGNALS = 20_000

#: A tenant, and the entry that tells of something of its.
Told = tuple[str, Reply]


def fill(settings: Settings, now: datetime) -> None:
    """Write everything; safe to repeat. The directory comes last: with it events are taken.

    Raises:
        ConfigError: see :func:`functions.adapters.redis.partitions.settle_on`.
        Unavailable: PostgreSQL or Redis could not be reached; the same call again finishes the work.
    """
    month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    client = channel.connect(settings.redis_url)
    with tenants.opened(settings.database_url, settings.redis_url) as known, closing(client):
        directory = RedisKeyDirectory(client)
        lost = not directory.is_filled()
        partitions.settle_on(client, settings.partitions)
        for name, partition, lane in product(keyspace.CHANNELS, range(settings.partitions), keyspace.LANES):
            channel.Channel(client, name, partition, "restore", lane).ensure()
        usage.restore(client, known.record.events_in(month.date()), month, settings.partitions)
        known.publish()
        if lost:
            directory.put_follow_up(now)
        directory.filled()


def heal(settings: Settings, now: datetime) -> bool:
    """Fill a Redis that came back without its data. PostgreSQL is not asked unless it did.

    Returns:
        Whether it did.
    Raises:
        See :func:`fill`.
    """
    with closing(channel.connect(settings.redis_url)) as client:
        if RedisKeyDirectory(client).is_filled():
            return False
    fill(settings, now)
    return True


def follow_up(settings: Settings, now: datetime) -> int:
    """Tell index and notify again of what was recorded last, if Redis was filled and it is time.

    Repeating it is harmless: documents and notices have fixed ids, and a notice is claimed before it is sent.

    Returns:
        How many entries were published.
    Raises:
        Unavailable: PostgreSQL or Redis could not be reached; the next call does it.
    """
    with closing(channel.connect(settings.redis_url)) as client:
        directory = RedisKeyDirectory(client)
        filled_at = directory.follow_up()
        # A dispatcher waits no longer than this for an answer: what it delivered before the loss is recorded then.
        if filled_at is None or now < filled_at + timedelta(seconds=settings.claim_idle_s):
            return 0
        with closing(Database(settings.database_url)) as database:
            replies = [*_signals(database, filled_at, now), *_notices(database, now)]
        _publish(client, replies, settings.partitions)
        directory.put_follow_up(None)
        return len(replies)


def _signals(database: Database, filled_at: datetime, now: datetime) -> Iterator[Told]:
    """Yield the signals that were recorded last before Redis was filled, and all since."""
    recorded = PostgresRecordedSignals(database)
    nearest = (recorded.latest(filled_at - reach, filled_at, MOST_SIGNALS) for reach in REACH)
    before = next(filter(None, nearest), [])
    for tenant, id_ in recorded.latest(filled_at, now, MOST_SIGNALS) + before:
        yield tenant, signal_recorded(tenant, id_)


def _notices(database: Database, now: datetime) -> Iterator[Told]:
    """Yield the notices that are overdue."""
    for tenant, id_ in PostgresSignalStore(database).forgotten_notices(now - FORGOTTEN_UNTIL, now):
        yield tenant, due(tenant, id_)


def _publish(client: redis.Redis, told: Iterable[Told], count: int) -> None:
    """Publish each in its tenant's partition."""
    entries: dict[tuple[str, int], list[bytes]] = defaultdict(list)
    for tenant, reply in told:
        entries[reply.channel, keyspace.partition_of(tenant, count)].append(reply.event.encode())
    for (name, partition), events in entries.items():
        channel.Channel(client, name, partition, "restore").publish(*events)
