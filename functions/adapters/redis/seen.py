"""Which events were accepted, for those that ask before they are processed."""

from __future__ import annotations

from uuid import UUID

import redis

from events.channel import translated
from events.keyspace import partition_of, seen_key


class SeenEvents:
    """The identities the front door remembers, read only.

    Args:
        client: from :func:`events.channel.connect`.
        partitions: how many the installation has.
    """

    def __init__(self, client: redis.Redis, partitions: int) -> None:
        self._redis = client
        self._partitions = partitions

    def accepted(self, tenant: str, event_id: UUID) -> bool:
        """Whether the event was accepted within the idempotency window.

        Raises:
            Unavailable: Redis could not be reached.
        """
        key = seen_key(tenant, str(event_id), partition_of(tenant, self._partitions))
        with translated():
            return bool(self._redis.exists(key))

    def ping(self) -> None:
        """Raise :class:`Unavailable` unless Redis answers."""
        with translated():
            self._redis.ping()
