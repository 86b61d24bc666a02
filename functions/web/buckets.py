"""Token buckets by name, counted in this process alone."""

from __future__ import annotations

from typing import Generic, TypeVar

#: Names that are remembered before those with a full bucket are dropped.
MOST_REMEMBERED = 10_000

Time = TypeVar("Time", int, float)


class Buckets(Generic[Time]):
    """A bucket is kept as the moment when it is full again (GCRA), so a full one need not be kept.

    The caller chooses the unit of time: whole microseconds where the last bit counts, or seconds.
    """

    def __init__(self) -> None:
        self._full_at: dict[str, Time] = {}
        self._most = MOST_REMEMBERED

    def until_full(self, name: str, now: Time) -> Time:
        """Return the time until the bucket is full; 0 where it is."""
        return max(self._full_at.get(name, now), now) - now

    def take(self, name: str, time: Time, now: Time) -> None:
        """Take as much out of the bucket as flows in within ``time``, even where it holds less."""
        if len(self._full_at) >= self._most:
            self._full_at = {kept: full_at for kept, full_at in self._full_at.items() if full_at > now}
            self._most = max(MOST_REMEMBERED, 2 * len(self._full_at))
        self._full_at[name] = now + self.until_full(name, now) + time
