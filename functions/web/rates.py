"""Rates: how often a caller may come, counted in this process alone."""

from __future__ import annotations

from typing import NamedTuple

from functions.domain.plan import Rate

#: Callers that are remembered before those who have their whole burst again are forgotten.
MOST_REMEMBERED = 10_000


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
    """The theoretical arrival time (GCRA) of each caller's next request, as admit.lua keeps it for events."""

    def __init__(self) -> None:
        self._arrivals: dict[str, int] = {}

    def take(self, who: str, rate: Rate, now_us: int) -> Standing:
        """Count a request of ``who`` at ``now_us``; one that does not fit counts for nothing."""
        interval, arrival = rate.interval_us, max(now_us, self._arrivals.get(who, 0))
        span = interval * rate.burst
        fits = arrival + interval - now_us <= span
        if fits:
            arrival += interval
            self._arrivals[who] = arrival
            if len(self._arrivals) > MOST_REMEMBERED:
                self._arrivals = {name: at for name, at in self._arrivals.items() if at > now_us}
        ahead = arrival - now_us
        return Standing(fits, (span - ahead) // interval, ahead / 1e6, (ahead + interval - span) / 1e6)
