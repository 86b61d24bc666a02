"""The month's counts in Redis: events accepted per tenant, which the admission script reads and adds to."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import redis

from events.channel import translated
from events.keyspace import COUNT_KEPT_S, count_key, partition_of


def restore(client: redis.Redis, counts: Mapping[str, int], month: datetime, partitions: int) -> None:
    """Begin a count that Redis has lost with what is known to be processed; one that is there is more exact.

    Raises:
        Unavailable: Redis could not be reached; the same call again is safe.
    """
    with translated():
        for tenant, count in counts.items():
            client.set(count_key(tenant, partition_of(tenant, partitions), month), count, nx=True, ex=COUNT_KEPT_S)
