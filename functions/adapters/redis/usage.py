"""The month's counts in Redis: events accepted per tenant, which the admission script reads and adds to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

import redis

from events.channel import translated
from events.keyspace import partition_of
from functions.adapters.redis.admission import COUNT_KEPT_S, count_key

#: Keys one command names, so that none keeps Redis from others for long.
MOST_AT_ONCE = 500


def counts(client: redis.Redis, tenants: Iterable[str], month: date, partitions: int) -> dict[str, int]:
    """Return how many events each of ``tenants`` was accepted in a month; one without any is left out.

    Raises:
        Unavailable: Redis could not be reached.
    """
    any_client: Any = client  # redis-py's answers are unions of everything
    by_partition: dict[int, list[str]] = defaultdict(list)
    for tenant in tenants:
        by_partition[partition_of(tenant, partitions)].append(tenant)
    found: dict[str, int] = {}
    with translated():
        for partition, names in by_partition.items():  # one command names keys of one partition: Redis Cluster
            for start in range(0, len(names), MOST_AT_ONCE):
                some = names[start : start + MOST_AT_ONCE]
                counted = any_client.mget([count_key(tenant, partition, month) for tenant in some])
                found |= {tenant: int(count) for tenant, count in zip(some, counted, strict=True) if count}
    return found


def restore(client: redis.Redis, counts: Mapping[str, int], month: datetime, partitions: int) -> None:
    """Raise every count that is below what is known to be processed: Redis has lost some of it.

    By the difference, so that what is accepted meanwhile counts, too.

    Raises:
        Unavailable: Redis could not be reached; the same call again is safe.
    """
    any_client: Any = client  # redis-py's answers are unions of everything
    with translated():
        for tenant, count in counts.items():
            key = count_key(tenant, partition_of(tenant, partitions), month)
            lost = count - int(any_client.get(key) or 0)
            if lost > 0:
                any_client.incrby(key, lost)
                any_client.expire(key, COUNT_KEPT_S)
