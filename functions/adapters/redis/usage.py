"""The month's counts in Redis: events accepted per tenant, which the admission script reads and adds to."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import redis

from events.channel import translated
from events.keyspace import COUNT_KEPT_S, count_key, partition_of


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
