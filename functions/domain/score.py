"""Account scores that fade: exact sums that do not depend on the order or grouping of events.

An account has one sum per event type, so that what it adds up to is explained by the same numbers. Instead of fading
the sum as time passes, each event is added at its worth *at the beginning of an era* (32 half-lives), grown by the
time since; reading divides by the growth up to now. Adding is one integer addition, in any order, and the
numbers stay small: what one event adds is below 2^63. Source of the idea: forward decay, Cormode et al., ICDE 2009.
PostgreSQL adds up signals in the same way: the functions score_era and score_amount in its schema.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from functions.domain.catalog import EventType
from functions.domain.standing import Adds

#: Where the first era begins, for every half-life.
LANDMARK = datetime(2025, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
#: Microseconds a day.
DAY_US = timedelta(days=1) // _MICROSECOND
#: How long an era is.
ERA_HALF_LIVES = 32
#: Sums are kept in 2^-20 points, so that rounding stays below a millionth of a point an event.
FRACTION_BITS = 20

#: A moment long before an era asks for growth that no float holds; nothing had happened by then.
_MOST_GROWTH = 900

#: Which of an account's sums: event type, side, half-life in days, era, and whether its events name a contact. A type
#: of a tenant's own may have changed its side or its half-life.
Slot = tuple[str, Adds, int, int, bool]

#: What the events of one slot add up to: a total, whole, in 2^-20 points as of the era's beginning; how many events
#: there were; and when the last of them occurred, in microseconds since ``LANDMARK``.
Sum = tuple[int, int, int]

#: All sums of an account. Plain tuples: each event makes and reads a dozen of them.
Sums = Mapping[Slot, Sum]


def contribution(kind: EventType, at: datetime, *, named: bool) -> tuple[Slot, Sum]:
    """Return what an event at ``at`` adds if it counts, and to which sum.

    Args:
        named: whether the event names a contact.
    """
    return part(kind.type, kind.side, kind.points, kind.half_life_days, since_landmark(at), named=named)


def part(type_: str, side: Adds, points: int, half_life_days: int, since_us: int, *, named: bool) -> tuple[Slot, Sum]:
    """Return what an event adds, and to which sum.

    Args:
        since_us: when it occurred, in microseconds since ``LANDMARK``.
    """
    half_lives = since_us / (half_life_days * DAY_US)
    era = math.floor(half_lives / ERA_HALF_LIVES)
    growth = 2.0 ** (half_lives - era * ERA_HALF_LIVES + FRACTION_BITS)
    return (type_, side, half_life_days, era, named), (round(points * growth), 1, since_us)


def add(sums: dict[Slot, Sum], slot: Slot, added: Sum) -> None:
    """Add to one of ``sums``, in any order with the same result."""
    before = sums.get(slot)
    if before is not None:
        added = (before[0] + added[0], before[1] + added[1], max(before[2], added[2]))
    sums[slot] = added


def without(sums: Sums, slot: Slot, added: Sum) -> dict[Slot, Sum]:
    """Return ``sums`` without what events added to one of them. Its latest moment stays, unless nothing is left."""
    total, events, latest = sums[slot]
    left = (total - added[0], events - added[1], latest)
    others = {each: value for each, value in sums.items() if each != slot}
    return others if left[:2] == (0, 0) else others | {slot: left}


def move(sums: Sums, slot: Slot, to: Slot, added: Sum) -> dict[Slot, Sum]:
    """Return ``sums`` with what an event added to one of them in another one.

    Where the first is gone, because it had faded to nothing, so is the other.
    """
    if slot not in sums:
        return dict(sums)
    moved = without(sums, slot, added)
    add(moved, to, added)
    return moved


def newest(sums: Sums) -> int:
    """Return when the newest of all events occurred, in microseconds since ``LANDMARK``; 0 where there is none."""
    return max([latest for _, _, latest in sums.values()], default=0)


def kept(sums: dict[Slot, Sum]) -> dict[Slot, Sum]:
    """Return ``sums`` without those whose era ended 32 half-lives before the newest event: nothing is left of them.

    Which ones stay depends on all events there were and on no order: what is dropped would be dropped again.
    """
    ended = newest(sums) // (ERA_HALF_LIVES * DAY_US)
    gone = [slot for slot in sums if (slot[3] + 2) * slot[2] <= ended]
    return {slot: each for slot, each in sums.items() if slot not in gone} if gone else sums


def from_rows(rows: Iterable[tuple[str, Adds, int, int, bool, int, int, int]]) -> dict[Slot, Sum]:
    """Return sums from their stored form, a slot and its sum in one list each."""
    return {
        (name, side, half_life, era, named): (total, events, latest)
        for name, side, half_life, era, named, total, events, latest in rows
    }


def points(sums: Sums, side: Adds, at: datetime) -> float:
    """Return the raw points of one side at ``at``, everything faded to then."""
    days = since_landmark(at) / DAY_US
    return math.fsum([_faded(slot, each[0], days) for slot, each in sums.items() if slot[1] == side])


def engagement(sums: Sums, at: datetime) -> tuple[float, float]:
    """Return the buyer's raw points at ``at``: of events that name no contact, and of those that name one."""
    days = since_landmark(at) / DAY_US
    parts: tuple[list[float], list[float]] = ([], [])
    for slot, each in sums.items():
        if slot[1] == "buyer":
            parts[slot[4]].append(_faded(slot, each[0], days))
    return math.fsum(parts[0]), math.fsum(parts[1])


def _faded(slot: Slot, total: int, days: float) -> float:
    """Return what is left of a total, in points, so many days after ``LANDMARK``."""
    growth = slot[3] * ERA_HALF_LIVES - FRACTION_BITS - days / slot[2]
    return float(total * 2.0 ** (growth if growth < _MOST_GROWTH else _MOST_GROWTH))


def trend(score_now: float, score_before: float) -> str:
    """``rising``, ``falling`` or ``steady``: two shown scores a week apart; 5 is the least that counts."""
    change = score_now - score_before
    return "rising" if change >= 5 else "falling" if change <= -5 else "steady"


def since_landmark(at: datetime) -> int:
    """Return microseconds, so that what follows is a division of whole numbers: fast, and rounded once."""
    return (at - LANDMARK) // _MICROSECOND


def moment(since_landmark_us: int) -> datetime:
    """Return the moment that so many microseconds since ``LANDMARK`` are."""
    return LANDMARK + since_landmark_us * _MICROSECOND
