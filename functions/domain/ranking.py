"""Ranks: how high an account can stand among others, stored once and true for as long as nothing happens to it."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, NamedTuple, TypeVar

from functions.domain import score
from functions.domain.score import Sums

#: What is known of an account or a contact.
Item = TypeVar("Item")

#: The slowest half-life of the platform's own types, and the slowest that a tenant's may have, in days. An account
#: with points that fade slower than the first is ranked among those of the second.
USUAL_DAYS, SLOWEST_DAYS = 90, 3650
#: Keeps a bound above what it bounds: the logarithm and the sums are rounded.
_ROUNDING = 1e-6
#: The rank of an account that nothing has added to. Ranks count from the top: a smaller one is higher.
LAST = 32_767
#: The rank that bounds nothing.
FIRST = -LAST
#: The place before the first one.
BEFORE_ALL = (-math.inf, "")


class Ranked(NamedTuple, Generic[Item]):
    """An account or a contact as it is stored: with its rank."""

    id: str
    rank: int
    slow: bool
    item: Item


class Placed(NamedTuple, Generic[Item]):
    """An account or a contact of a ranking, with its points of the side that is ranked by; none count as 0."""

    id: str
    points: float
    item: Item

    @property
    def place(self) -> tuple[float, str]:
        """Its place among others: by points, then by id."""
        return -self.points, self.id


@dataclass(frozen=True, slots=True)
class _Last:
    """A place that sorts the other way round, as far as a heap compares."""

    place: tuple[float, str]

    def __lt__(self, other: _Last) -> bool:
        return other.place < self.place


class Ranks(NamedTuple):
    """The ranks of an account, and whether it has points that fade slower than ``USUAL_DAYS``."""

    engagement: int
    effort: int
    slow: bool


def ranks(sums: Sums) -> Ranks:
    """Return the ranks of an account.

    Why a rank bounds the points for ever after: of a slot only the size changes with time, never the sign, so the
    points are at most what the positive slots have, P. Each of them fades at least as fast as the slowest half-life H
    allows. So for any later moment log2 P(t) + t / H is at most what it is at the newest event, and a rank never has
    to be changed by time alone. It is rounded to a whole number, so that most events leave it as it is. Weights of at
    most 1 for contacts make no engagement larger than P, whichever a tenant's model has.
    """
    newest = score.newest(sums)
    positive = {slot: each for slot, each in sums.items() if each[0] > 0}
    slow = max([slot[2] for slot in positive], default=0) > USUAL_DAYS
    at, grown = score.moment(newest), _half_lives(newest, slow=slow) + _ROUNDING
    return Ranks(
        _rank(score.points(positive, "buyer", at), grown), _rank(score.points(positive, "rep", at), grown), slow
    )


def _rank(points: float, grown: float) -> int:
    return min(max(-math.ceil(math.log2(points) + grown), -LAST), LAST - 1) if points > 0 else LAST


def most_points(rank: int, at: datetime, *, slow: bool) -> float:
    """Return the most points that an account of a rank can have at ``at``, which is not before its newest event."""
    if rank == LAST:
        return 0.0
    return float(2.0 ** min(-rank - _half_lives(score.since_landmark(at), slow=slow), 1000.0))


def first(
    walks: Iterable[Iterable[Ranked[Item]]],
    points: Callable[[Item], float],
    at: datetime,
    count: int,
    wanted: Callable[[Placed[Item]], bool],
    after: tuple[float, str] = BEFORE_ALL,
) -> list[Placed[Item]]:
    """Return the first accounts of a ranking by their points at ``at``, without reading them all.

    Exact: an account that was not read has a place after the ``count`` that are returned, because its points are at
    most what its rank allows, and accounts are read in the order of that.

    Args:
        walks: accounts by their ranks, those that are slow in another walk than those that are not.
        points: the points of an account at ``at``, at most what its rank allows.
        wanted: whether an account is asked for.
        after: the place they begin after.
    """
    found: list[Placed[Item]] = []
    worst: list[_Last] = []  # a heap of the first places found, the last of them on top
    for most, id_, each in heapq.merge(*(_bounded(walk, at) for walk in walks), key=lambda item: item[:2]):
        if len(worst) >= count and worst[0].place < (most, id_):
            break
        placed = Placed(id_, max(points(each.item), 0.0), each.item)
        if placed.place > after and wanted(placed):
            found.append(placed)
            (heapq.heappush if len(worst) < count else heapq.heappushpop)(worst, _Last(placed.place))
    return sorted(found, key=lambda each: each.place)[:count]


def _bounded(walk: Iterable[Ranked[Item]], at: datetime) -> Iterator[tuple[float, str, Ranked[Item]]]:
    for each in walk:
        yield -most_points(each.rank, at, slow=each.slow), each.id, each


def _half_lives(since_landmark_us: int, *, slow: bool) -> float:
    return since_landmark_us / ((SLOWEST_DAYS if slow else USUAL_DAYS) * score.DAY_US)
