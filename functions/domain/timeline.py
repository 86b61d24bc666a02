"""An account's days: what happened on each, and the scores it ended with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from functions.domain import score
from functions.domain.explain import Contribution, contributions
from functions.domain.score import Slot, Sum, Sums

ONE_DAY, MICROSECOND = timedelta(days=1), timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Day:
    """A day in UTC.

    Args:
        engagement, effort: shown scores at the day's end, or at the moment it is looked at where it goes on.
        events: what happened on it, by event type; ``points_now`` is as of the same moment.
    """

    day: date
    engagement: float
    effort: float
    events: Sequence[Contribution]


def midnight(day: date) -> datetime:
    """Return the beginning of a day in UTC."""
    return datetime.combine(day, time(), UTC)


def days(before: Sums, by_day: Mapping[date, Sums], first: date, last: date, now: datetime) -> Iterator[Day]:
    """Yield the days from ``first`` to ``last``, those without events too.

    Args:
        before: the sums of what had happened before ``first``.
        by_day: the sums of what happened on each day.
    """
    sums: dict[Slot, Sum] = dict(before)
    for number in range((last - first).days + 1):
        day = first + number * ONE_DAY
        added = by_day.get(day, {})
        for slot, each in added.items():
            score.add(sums, slot, each)
        at = min(midnight(day + ONE_DAY), now)
        yield Day(
            day,
            score.shown(score.points(sums, "buyer", at)),
            score.shown(score.points(sums, "rep", at)),
            [*contributions(added, "buyer", at), *contributions(added, "rep", at)],
        )
