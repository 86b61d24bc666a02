"""Why an account's score is what it is: contributions by event type, in numbers and in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from functions.domain.catalog import EVENT_TYPES


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


def ago(then: datetime, now: datetime) -> str:
    """A distance in time as people say it."""
    seconds = max(0, int((now - then).total_seconds()))
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= length:
            count = seconds // length
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"
