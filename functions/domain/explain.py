"""Why an account's score is what it is: contributions by event type, in numbers and in words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from functions.domain import score
from functions.domain.catalog import EVENT_TYPES, Side
from functions.domain.score import Slot, Sum, Sums

#: What a score is compared with to tell its trend.
TREND_SPAN = timedelta(days=7)
#: Points that nobody sees: a type that has faded to less is not named.
_FADED = 1e-6


@dataclass(frozen=True, slots=True)
class Contribution:
    """What the events of one type add to a score at a moment.

    Args:
        event_type: the CloudEvent type.
        events: how many there were.
        latest: when the last of them occurred.
        points_now: what is left of their points; below zero they take away.
    """

    event_type: str
    events: int
    latest: datetime
    points_now: float

    def sentence(self, at: datetime) -> str:
        """For people: ``2 x demo_completed: +103.4 points, the latest 3 days ago``."""
        kind = EVENT_TYPES.get(self.event_type)
        name = kind.alias if kind else self.event_type
        return f"{self.events} x {name}: {self.points_now:+.1f} points, the latest {ago(self.latest, at)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One account's score of one side at a moment, and a week before, with what it is made of."""

    score: float
    score_week_ago: float
    contributions: Sequence[Contribution]


def contributions(sums: Sums, side: Side, at: datetime) -> list[Contribution]:
    """Return what an account's score of ``side`` is made of at ``at``, the strongest first.

    Args:
        sums: of events until ``at``.
    """
    by_type: dict[str, dict[Slot, Sum]] = defaultdict(dict)
    for slot, each in sums.items():
        if slot[1] == side:
            by_type[slot[0]][slot] = each
    found = [
        Contribution(
            event_type=name,
            events=sum(events for _, events, _ in of.values()),
            latest=score.moment(score.newest(of)),
            points_now=score.points(of, side, at),
        )
        for name, of in by_type.items()
    ]
    left = [each for each in found if abs(each.points_now) >= _FADED]
    return sorted(left, key=lambda each: (-abs(each.points_now), each.event_type))


def explained(sums: Sums, week_ago: Sums, side: Side, at: datetime) -> Explanation:
    """Explain an account's score of ``side`` at ``at``.

    Args:
        sums: of events until ``at``.
        week_ago: of events until a week before.
    """
    return Explanation(
        score=score.shown(score.points(sums, side, at)),
        score_week_ago=score.shown(score.points(week_ago, side, at - TREND_SPAN)),
        contributions=contributions(sums, side, at),
    )


def ago(then: datetime, now: datetime) -> str:
    """A distance in time as people say it."""
    seconds = max(0, int((now - then).total_seconds()))
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= length:
            count = seconds // length
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"
