"""Why an account's score is what it is: contributions by event type, in numbers and in words."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from functions.domain import score
from functions.domain.attributes import NONE, Attributes
from functions.domain.catalog import EVENT_TYPES, Side
from functions.domain.model import UNCHANGED, Caps, RollupWeights, Versioned
from functions.domain.rollup import People, Rollup, rolled_up
from functions.domain.score import Slot, Sum, Sums
from functions.domain.standing import Adds

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


class Known(NamedTuple):
    """What is known of an account at a moment: the sums of its events until then, and its contacts.

    Args:
        scoring: the tenant's model.
        attributes: what is said of it by now, whatever the moment.
    """

    sums: Sums
    people: People
    scoring: Versioned = UNCHANGED
    attributes: Attributes = NONE

    def then(self, sums: Sums, people: People) -> Known:
        """Return it as it was with other sums and people."""
        return self._replace(sums=sums, people=people)

    def rolled_up(self, at: datetime) -> Rollup:
        """Return what its engagement is made of at ``at``."""
        return rolled_up(self.sums, self.people, at, self.scoring.model.rollup)

    def points(self, side: Side, at: datetime) -> float:
        """Return its raw points of one side at ``at``."""
        return self.rolled_up(at).points if side == "buyer" else score.points(self.sums, side, at)

    def shown(self, side: Side, at: datetime) -> float:
        """Return its score of one side at ``at``, 0-100."""
        return self.scoring.model.shown(self.points(side, at))


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One account's score of one side at a moment, and a week before, with what it is made of.

    Args:
        scoring: the model it is shown by.
        by_people: how contacts make up an engagement, in words.
        left_out: which events do not count, in words.
        attributes: what is said of the account.
    """

    scoring: Versioned
    score: float
    score_week_ago: float
    contributions: Sequence[Contribution]
    by_people: Sequence[str]
    left_out: Sequence[str]
    attributes: Attributes


def contributions(sums: Sums, side: Side, at: datetime) -> list[Contribution]:
    """Return what an account's score of ``side`` is made of at ``at``, the strongest first.

    Args:
        sums: of events until ``at``.
    """
    return _by_type(sums, side, at)


def _by_type(sums: Sums, adds: Adds, at: datetime) -> list[Contribution]:
    """Return what the sums of one kind are made of at ``at``, the strongest first."""
    by_type: dict[str, dict[Slot, Sum]] = defaultdict(dict)
    for slot, each in sums.items():
        if slot[1] == adds:
            by_type[slot[0]][slot] = each
    found = [
        Contribution(
            event_type=name,
            events=sum(events for _, events, _ in of.values()),
            latest=score.moment(score.newest(of)),
            points_now=score.points(of, adds, at),
        )
        for name, of in by_type.items()
    ]
    left = [each for each in found if abs(each.points_now) >= _FADED]
    return sorted(left, key=lambda each: (-abs(each.points_now), each.event_type))


def left_out(sums: Sums, caps: Caps, side: Side, at: datetime) -> list[str]:
    """Return which events do not count towards the score of ``side``, in words.

    ``12 x email_clicked left out: they look mechanical``. Events that would have faded by now are not named.
    """
    found = []
    for adds in ("unverified", "capped", "retracted"):
        for each in _by_type(sums, adds, at):
            kind = EVENT_TYPES.get(each.event_type)
            if (kind.side if kind else "buyer") == side:
                why = _why_left_out(adds, each, caps)
                found.append(f"{each.events} x {kind.alias if kind else each.event_type} left out: {why}")
    return found


def _why_left_out(adds: Adds, of: Contribution, caps: Caps) -> str:
    if adds == "unverified":
        return "they look mechanical" if of.events > 1 else "it looks mechanical"
    if adds == "retracted":
        return "retracted"
    most = ((caps.perDay.get(of.event_type), "a day"), (caps.perCampaign.get(of.event_type), "a campaign"))
    return " or ".join(f"more than {count} of {what}" for count, what in most if count) or "more than count"


def explained(known: Known, week_ago: Known, side: Side, at: datetime) -> Explanation:
    """Explain an account's score of ``side`` at ``at``.

    Args:
        week_ago: the account a week before.
    """
    return Explanation(
        scoring=known.scoring,
        score=known.shown(side, at),
        score_week_ago=week_ago.shown(side, at - TREND_SPAN),
        contributions=contributions(known.sums, side, at),
        by_people=by_people(known.rolled_up(at), known.scoring.model.rollup) if side == "buyer" else [],
        left_out=left_out(known.sums, known.scoring.model.caps, side, at),
        attributes=known.attributes,
    )


def by_people(rollup: Rollup, weights: RollupWeights | None) -> list[str]:
    """Return how an engagement comes from contacts, in words; nothing where one alone or nobody is named."""
    if not rollup.others or weights is None:
        return []
    found = [
        f"{rollup.leader} has the most, {rollup.highest:.1f} points: {weights.highest:.0%} of them count",
        f"{_others(rollup.others)} {rollup.rest:.1f} on average: {weights.rest:.0%} of that count",
    ]
    return [*found, f"events that name no contact: {rollup.apart:+.1f} points"] if rollup.apart else found


def _others(count: int) -> str:
    return "1 other contact has" if count == 1 else f"{count} other contacts have"


def ago(then: datetime, now: datetime) -> str:
    """A distance in time as people say it."""
    seconds = max(0, int((now - then).total_seconds()))
    for unit, length in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= length:
            count = seconds // length
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"
