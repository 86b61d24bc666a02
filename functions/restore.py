"""What Redis must hold before events are taken, written from PostgreSQL: consumer groups, counts, key directory."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime
from itertools import product

from events import channel, keyspace
from events.settings import Settings
from functions import tenants
from functions.adapters.redis import partitions, usage
from functions.adapters.redis.keys import RedisKeyDirectory


def fill(settings: Settings, now: datetime) -> None:
    """Write everything; safe to repeat. The directory comes last: with it events are taken.

    Raises:
        ConfigError: see :func:`functions.adapters.redis.partitions.settle_on`.
        Unavailable: PostgreSQL or Redis could not be reached; the same call again finishes the work.
    """
    month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    client = channel.connect(settings.redis_url)
    with tenants.opened(settings.database_url, settings.redis_url) as known, closing(client):
        partitions.settle_on(client, settings.partitions)
        for name, partition, lane in product(keyspace.CHANNELS, range(settings.partitions), keyspace.LANES):
            channel.Channel(client, name, partition, "restore", lane).ensure()
        usage.restore(client, known.record.events_in(month.date()), month, settings.partitions)
        known.publish()
        RedisKeyDirectory(client).filled()


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
