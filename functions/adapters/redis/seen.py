"""Which events were accepted, for those that ask before they are processed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import redis

from events.channel import translated
from events.keyspace import partition_of, seen_key


class SeenEvents:
    """The identities the front door remembers, read only.

    Args:
        client: from :func:`events.channel.connect`.
        partitions: how many the installation has.
        window: how long an identity is remembered.
    """

    def __init__(self, client: redis.Redis, partitions: int, window: timedelta) -> None:
        self._redis: Any = client  # redis-py's answers are unions of everything
        self._partitions = partitions
        self._window = window

    def accepted_at(self, tenant: str, event_id: UUID) -> datetime | None:
        """When the event was accepted, None if it was not within the idempotency window.

        Of what was accepted under another window it gives another moment: that is all its identity tells.

        Raises:
            Unavailable: Redis could not be reached.
        """
        key = seen_key(tenant, str(event_id), partition_of(tenant, self._partitions))
        with translated():
            forgotten_ms = self._redis.pexpiretime(key)
        if forgotten_ms < 0:
            return None
        return datetime.fromtimestamp(forgotten_ms / 1000, UTC) - self._window

    def ping(self) -> None:
        """Raise :class:`Unavailable` unless Redis answers."""
        with translated():
            self._redis.ping()
