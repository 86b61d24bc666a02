"""Which events were accepted, for those that ask before they are processed."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import redis

from events.channel import translated
from events.keyspace import partition_of
from functions.adapters.redis.identities import Generations, Remembered, generations_key, identity


class SeenEvents:
    """The identities the front door remembers, read only.

    Args:
        client: from :func:`events.channel.connect`.
        partitions: how many the installation has.
    """

    def __init__(self, client: redis.Redis, partitions: int) -> None:
        self._redis: Any = client  # redis-py's answers are unions of everything
        self._partitions = partitions

    def accepted_at(self, tenant: str, event_id: UUID) -> datetime | None:
        """Return when the event was accepted, None if it is not remembered, as after the idempotency window.

        Raises:
            Unavailable: Redis could not be reached.
        """
        partition = partition_of(tenant, self._partitions)
        known = identity(tenant, str(event_id))
        with translated():
            text = self._redis.hget(generations_key(partition), "generations") or b""
            buckets = Generations(partition, text).buckets_of(known)
            values = (self._redis.hget(bucket, known.field) for bucket in buckets)
            found = next((value for value in values if value), None)
        return Remembered.read(found).accepted_at if found else None

    def ping(self) -> None:
        """Raise :class:`Unavailable` unless Redis answers."""
        with translated():
            self._redis.ping()
