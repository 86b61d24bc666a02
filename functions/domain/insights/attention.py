"""Insights about how much an account is engaged: hot, surge, single-threaded."""

from __future__ import annotations

import math

from functions.domain.insight import Evidence, Kind, Look, while_open
from functions.domain.score import DAY_US

#: An account rests on one contact until that one's share, or the engagement, is so much below where it began.
SHARE_SLACK, SCORE_SLACK = 0.1, 15.0


def _hot(look: Look) -> Evidence | None:
    enter = look.limits.hot.enter
    if look.event is None or not look.event.inbound or look.engagement < enter:
        return None
    return {"engagement": look.engagement, "enter": enter}


def _stays_hot(look: Look) -> bool:
    return not look.scored or look.engagement >= look.limits.hot.leave


def surge_z(week: int, before: int) -> float:
    """Return by how many standard deviations a week's events are above the mean of the three weeks before.

    Events that come by chance have a variance of their mean; it is taken as 1 at least.
    """
    mean = before / 3
    return (week - mean) / math.sqrt(max(mean, 1.0))


def _surge(look: Look) -> Evidence | None:
    limits, watch = look.limits.surge, look.watch
    if look.event is None or not look.event.inbound or look.at // DAY_US - watch.first < 7:
        return None
    week, before = watch.week(look.at)
    z = surge_z(week, before)
    if week < limits.events or z < limits.z:
        return None
    return {"events": week, "usual": round(before / 3, 1), "z": round(z, 1)}


def _stays_surging(look: Look) -> bool:
    return surge_z(*look.watch.week(look.at)) >= look.limits.surge.leaveZ


def _single_threaded(look: Look) -> Evidence | None:
    limits = look.limits.single_threaded
    if look.event is None or not look.event.inbound or look.engagement < limits.engagement:
        return None
    contact, share = look.leading
    if contact is None or share < limits.share:
        return None
    return {"contact": contact, "share": round(share, 2), "engagement": look.engagement}


def _stays_single_threaded(look: Look) -> bool:
    limits = look.limits.single_threaded
    if not look.scored:
        return True
    return look.engagement >= limits.engagement - SCORE_SLACK and look.leading[1] >= limits.share - SHARE_SLACK


KINDS = (
    Kind(
        "hot",
        lambda limits: limits.hot,
        _hot,
        lambda found: f"engagement is {found['engagement']}: {found['enter']:g} and more is hot",
        stays=_stays_hot,
        due=while_open("hot"),
    ),
    Kind(
        "surge",
        lambda limits: limits.surge,
        _surge,
        lambda found: (
            f"{found['events']} events of the buyer in 7 days, {found['usual']} a week in the three weeks before: "
            f"{found['z']} standard deviations more"
        ),
        stays=_stays_surging,
        due=while_open("surge"),
    ),
    Kind(
        "single_threaded",
        lambda limits: limits.single_threaded,
        _single_threaded,
        lambda found: (
            f"{found['contact']} has {found['share']:.0%} of all contacts' points, and engagement is "
            f"{found['engagement']}"
        ),
        stays=_stays_single_threaded,
        due=while_open("single_threaded"),
    ),
)
