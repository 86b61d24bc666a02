"""Rates: how often a caller may come, counted in this process alone."""

from __future__ import annotations

from typing import NamedTuple

from functions.domain.plan import Rate
from functions.web.buckets import Buckets


class Standing(NamedTuple):
    """How a caller stands with its rate.

    Args:
        fits: whether this request was within it.
        left: further requests that fit at once.
        full_s: seconds until the whole burst fits again.
        next_s: seconds until one more request fits; 0 or less where it does now.
    """

    fits: bool
    left: int
    full_s: float
    next_s: float


class Rates:
    """A bucket for each caller, as admit.lua has them for events. In whole microseconds, so that a burst is exact."""

    def __init__(self) -> None:
        self._buckets: Buckets[int] = Buckets()

    def take(self, who: str, rate: Rate, now_us: int) -> Standing:
        """Count a request of ``who`` at ``now_us``; one that does not fit counts for nothing."""
        interval, ahead = rate.interval_us, self._buckets.until_full(who, now_us)
        span = interval * rate.burst
        fits = ahead + interval <= span
        if fits:
            self._buckets.take(who, interval, now_us)
            ahead += interval
        return Standing(fits, (span - ahead) // interval, ahead / 1e6, (ahead + interval - span) / 1e6)
