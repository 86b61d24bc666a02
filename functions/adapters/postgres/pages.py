"""Pages of lists: which one is wanted, what it is, and where the next one begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, NamedTuple
from uuid import UUID

from pydantic import AfterValidator, Field

from functions.domain import moment

#: Rows that one question looks at, at the most. Totals are exact up to it, pages are numbered up to it, and another
#: order than that of time is one of so many.
LOOKED_AT = 10_000

#: A place goes to the client and comes back: it is read as what PostgreSQL takes.
Utc = Annotated[datetime, AfterValidator(moment.utc)]
_Bigint = Annotated[int, Field(ge=-(2**63), lt=2**63)]


class Place(NamedTuple):
    """A row of a list by time: the next page begins after it."""

    at: Utc
    id: UUID


class Rank(NamedTuple):
    """A row of a list in another order: the next page begins after it.

    Args:
        rank: what the list is in the order of, the highest first.
        since, until: all pages show the signals of this stretch of time, both ends included, so that those that come
            between two pages move none out of it. ``since`` is None where all earlier ones are shown.
    """

    rank: _Bigint
    id: UUID
    since: Utc | None
    until: Utc


class Standing(NamedTuple):
    """An account or a contact in a ranking by points: the next page begins after it.

    Args:
        at: the moment that all pages show the scores of.
    """

    points: float
    id: str
    at: Utc

    @property
    def place(self) -> tuple[float, str]:
        """Its place among others: by points, then by id."""
        return -self.points, self.id


def before(place: Place | None) -> dict[str, object]:
    """Return a place as the statements want it; None is before all rows."""
    return {"before_at": place and place.at, "before_id": place and str(place.id)}


def counted(rows: int) -> tuple[int, bool]:
    """Return how many rows a list says it has, and whether there are no more.

    Args:
        rows: counted up to one more than ``LOOKED_AT``.
    """
    return min(rows, LOOKED_AT), rows <= LOOKED_AT


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Which rows of a list: those after a place, or those of page ``number``, from 1.

    Args:
        after: the ``next`` of the page before; None for a page that is named by its number.
    """

    number: int
    limit: int
    after: Place | Rank | Standing | None = None

    @property
    def before(self) -> dict[str, object]:
        """The place that rows come after in a list of the newest first, as the statements want it."""
        return before(self.after if isinstance(self.after, Place) else None)

    @property
    def one_more(self) -> dict[str, int]:
        """As the statements want it, with a row more, which says whether there is a next page."""
        return {**self.parameters, "limit": self.limit + 1}

    @property
    def parameters(self) -> dict[str, int]:
        """As the statements want it."""
        return {"limit": self.limit, "offset": 0 if self.after else (self.number - 1) * self.limit}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One page of a list.

    Args:
        total: rows on all pages; where it is not ``exact`` there are more.
        next: where the next page begins; None on the last one. A page may have fewer rows than its limit, even none,
            and not be the last: it looked at as many as it may.
    """

    rows: Sequence[dict[str, Any]]
    total: int
    exact: bool
    next: Place | Rank | Standing | None
