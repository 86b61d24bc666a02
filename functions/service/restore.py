"""What Redis must hold before events are taken, written from PostgreSQL: consumer groups, counts, key directory.

A Redis that came back without its data has also lost the entries that tell index and notify of what was recorded just
before. Once every request from before the loss has ended, both channels are noted as behind, and the clock publishes
those ids again.
"""

from __future__ import annotations

from contextlib import closing
from datetime import datetime, timedelta
from itertools import product

from events import channel, keyspace
from events.settings import TickSettings
from events.shared_settings import StoreSettings
from functions.adapters.postgres.database import Database
from functions.adapters.postgres.recorded_signals import PostgresRecordedSignals
from functions.adapters.redis import partitions, usage
from functions.adapters.redis.behind import BehindChannel
from functions.adapters.redis.keys import RedisKeyDirectory
from functions.service import register

#: How far back to search for the last recorded signals: nothing is recorded while Redis is away. The shortest stretch
#: that has some is taken, so that a short outage costs a short query.
REACH = tuple(timedelta(minutes=minutes) for minutes in (10, 60, 24 * 60, 7 * 24 * 60))
#: Entries of signals that were recorded so long before the last one may still have waited.
WAITED = timedelta(minutes=5)


def fill(settings: StoreSettings, now: datetime) -> None:
    """Write everything; safe to repeat. The directory comes last: with it events are taken.

    Raises:
        ConfigError: see :func:`functions.adapters.redis.partitions.settle_on`.
        Unavailable: PostgreSQL or Redis could not be reached; the same call again finishes the work.
    """
    month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    client = channel.connect(settings.redis_url)
    with register.opened(settings.database_url, settings.redis_url) as known, closing(client):
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


def heal(settings: StoreSettings, now: datetime) -> bool:
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


def follow_up(settings: TickSettings, now: datetime) -> bool:
    """Note that index and notify are behind since shortly before Redis lost its data, if it did and it is time.

    Returns:
        Whether it was noted; service/catch_up.py publishes the ids then.
    Raises:
        Unavailable: PostgreSQL or Redis could not be reached; the next call does it.
    """
    with closing(channel.connect(settings.redis_url)) as client:
        directory = RedisKeyDirectory(client)
        filled_at = directory.follow_up()
        # A dispatcher waits no longer than this for an answer: what it delivered before the loss is recorded then.
        if filled_at is None or now < filled_at + timedelta(seconds=settings.claim_idle_s):
            return False
        with closing(Database(settings.database_url)) as database:
            since = _last_recorded(database, filled_at) - WAITED
        names = ("signals", "notices") if settings.copied else ("notices",)
        for name, partition in product(names, range(settings.partitions)):
            BehindChannel(client, name, partition).note(since, now)
        directory.put_follow_up(None)
        return True


def _last_recorded(database: Database, filled_at: datetime) -> datetime:
    """Return when the last signal before Redis was filled was processed; ``filled_at`` where none is known."""
    recorded = PostgresRecordedSignals(database)
    found = (recorded.last_processed(filled_at - reach, filled_at) for reach in REACH)
    return next(filter(None, found), filled_at)
