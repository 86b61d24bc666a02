"""Notices that a tenant comes near its monthly limit, from the counter in Redis that the limit uses too."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime, timedelta

from events import channel, keyspace
from events.shared_settings import StoreSettings
from functions.adapters.postgres.database import Database
from functions.adapters.postgres.quotas import PostgresQuotas
from functions.adapters.redis import usage
from functions.domain.platform_events import due
from functions.domain.quota import reached

#: A month is still checked for so long after its end: its last events came after the check before.
LOOK_BACK = timedelta(hours=1)


def tell(settings: StoreSettings, now: datetime) -> int:
    """Record a notice for each threshold that a tenant has reached, once a month, and publish the new ones.

    If Redis goes away between the two, an hourly tick finds the notice (UNSENT_FOR in domain/platform_events.py).

    Returns:
        How many notices are new.
    Raises:
        Unavailable: PostgreSQL or Redis could not be reached; the next call does it.
    """
    with closing(Database(settings.database_url)) as database, closing(channel.connect(settings.redis_url)) as client:
        quotas = PostgresQuotas(database)
        limited = quotas.limited()
        notices = [
            notice
            for month in sorted({now.date().replace(day=1), (now - LOOK_BACK).date().replace(day=1)})
            for tenant_id, used in usage.counts(client, limited, month, settings.partitions).items()
            for notice in reached(tenant_id, *limited[tenant_id], used=used, month=month, now=now)
        ]
        new = quotas.put(notices) if notices else []
        for tenant_id, notice_id in new:
            partition = keyspace.partition_of(tenant_id, settings.partitions)
            channel.Channel(client, "notices", partition, "quota").publish(due(tenant_id, notice_id).event.encode())
    return len(new)
