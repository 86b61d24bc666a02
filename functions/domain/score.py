"""Account scores that fade: exact sums that do not depend on the order or grouping of events.

Half-lives differ by event type, so an account has one sum per side and half-life. Instead of fading the sum
as time passes, each event is added at its worth *at the beginning of an era* (32 half-lives), grown by the
time since; reading divides by the growth up to now. Adding is one integer addition, in any order, and the
numbers stay small: what one event adds is below 2^63. Source of the idea: forward decay, Cormode et al., ICDE 2009.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from functions.domain.catalog import EventType, Side

#: The version of everything in this module and in catalog.py; shown with every score.
MODEL_VERSION = "1"

#: Raw points at which a score shows 63 of 100. Source: docs/scoring.md.
K = 60.0

#: Where the first era begins, for every half-life.
LANDMARK = datetime(2025, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
#: Microseconds a day.
_DAY = timedelta(days=1) // _MICROSECOND
#: How long an era is.
ERA_HALF_LIVES = 32
#: Sums are kept in 2^-20 points, so that rounding stays below a millionth of a point an event.
FRACTION_BITS = 20

#: A moment long before an era asks for growth that no float holds; nothing had happened by then.
_MOST_GROWTH = 900

#: Shown score from which an account is called so. Source: docs/scoring.md.
BANDS = (("hot", 60.0), ("warm", 30.0), ("cool", 10.0), ("cold", 0.0))


#: Which of an account's sums: its side, half-life in days and era.
Slot = tuple[Side, int, int]


def contribution(kind: EventType, at: datetime) -> tuple[Slot, int]:
    """What an event at ``at`` adds, and to which sum."""
    half_lives = _since_landmark(at) / (kind.half_life_days * _DAY)
    era = math.floor(half_lives / ERA_HALF_LIVES)
    growth = 2.0 ** (half_lives - era * ERA_HALF_LIVES + FRACTION_BITS)
    return (kind.side, kind.half_life_days, era), round(kind.points * growth)


def by_slot(sums: Iterable[tuple[Side, int, int, int]]) -> dict[Slot, int]:
    """An account's sums, listed as ``(side, half-life, era, total)``, by slot."""
    return {(side, half_life_days, era): total for side, half_life_days, era, total in sums}


def points(sums: Mapping[Slot, int], side: Side, at: datetime) -> float:
    """The raw points of one side at ``at``, everything faded to then."""
    days = _since_landmark(at) / _DAY
    parts = []
    for (of, half_life, era), total in sums.items():
        if of == side:
            growth = era * ERA_HALF_LIVES - FRACTION_BITS - days / half_life
            parts.append(total * 2.0 ** (growth if growth < _MOST_GROWTH else _MOST_GROWTH))
    return math.fsum(parts)


def shown(raw_points: float) -> float:
    """The 0-100 score people see, one decimal; raw points below zero show as 0."""
    return round(100.0 * -math.expm1(-max(raw_points, 0.0) / K), 1)


def band(score: float) -> str:
    """The word for a shown score."""
    return next(name for name, least in BANDS if score >= least)


def trend(score_now: float, score_before: float) -> str:
    """``rising``, ``falling`` or ``steady``: two shown scores a week apart; 5 is the least that counts."""
    change = score_now - score_before
    return "rising" if change >= 5 else "falling" if change <= -5 else "steady"


def _since_landmark(at: datetime) -> int:
    """Microseconds, so that what follows is a division of whole numbers: fast, and rounded once."""
    return (at - LANDMARK) // _MICROSECOND
