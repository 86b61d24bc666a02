"""How far channels of ids are behind: from when on settle left ids out, and up to when they were published since."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import redis

from events.channel import Channel, run_script, translated
from events.keyspace import SLOW, behind_key, bytes_key
from functions.adapters.redis import LUA

#: Upper bound in bytes of what a waiting id takes.
ID_BYTES = 512
#: How far the clocks of ingest, Redis and PostgreSQL may be apart.
MARGIN = timedelta(minutes=5)
#: How far back to search where it is not known since when a channel is behind.
FARTHEST = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Stretch:
    """The stretch of time in which the ids that were left out were recorded.

    Args:
        left_out: how many entries were left out; a later count that differs means more were.
    """

    since: datetime
    until: datetime
    left_out: bytes


class BehindChannel:
    """One channel of ids in one partition, ``signals`` or ``notices``.

    Every method raises :class:`events.errors.Unavailable` when Redis cannot be reached.
    """

    def __init__(self, client: redis.Redis, channel: str, partition: int) -> None:
        self._redis: Any = client  # redis-py's answers are unions of everything
        self._bytes_field = f":{channel}"
        self._bytes_key = bytes_key(partition)
        self._key = behind_key(channel, partition)
        # The overflow lane: new entries must not wait for late ones.
        self._lane = Channel(client, channel, partition, "clock", SLOW)

    def stretch(self) -> Stretch | None:
        """Return the stretch to search; None if nothing was left out."""
        with translated():
            since, last, left_out = self._redis.hmget(self._key, "since", "last", "left_out")
        if left_out is None:
            return None
        until = datetime.fromtimestamp(int(last) / 1000, UTC) + MARGIN
        begun = datetime.fromisoformat(since.decode()) - MARGIN if since else until - FARTHEST
        return Stretch(begun, until, left_out)

    def note(self, since: datetime, until: datetime) -> None:
        """Note that entries of that stretch of time may be missing."""
        with translated():
            known, left_out = self._redis.hmget(self._key, "since", "left_out")
            first = min(since, datetime.fromisoformat(known.decode())) if known else since
            last = int(until.timestamp() * 1000)
            noted = {"since": first.isoformat(), "last": last, "left_out": int(left_out or 0) + 1}
            self._redis.hset(self._key, mapping=noted)

    def room(self, ids_bytes: int) -> int:
        """Return how many entries may be published: until half of ``ids_bytes`` wait."""
        with translated():
            waiting = int(self._redis.hget(self._bytes_key, self._bytes_field) or 0)
        return max(0, ids_bytes // 2 - waiting) // ID_BYTES

    def publish(self, events: Sequence[bytes]) -> None:
        """Append entries."""
        self._lane.publish(*events)

    def caught_up(self, stretch: Stretch, at: datetime | None) -> bool:
        """Note that everything until ``at`` was published; None: everything.

        Returns:
            False where more was left out since ``stretch`` was read, so that nothing was noted.
        """
        since = (at + MARGIN).isoformat() if at else ""
        return bool(run_script(self._redis, "caught_up", [self._key], [stretch.left_out, since], LUA))
