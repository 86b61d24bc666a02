"""An account's days: what happened on each, and the scores it ended with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from functions.domain import score
from functions.domain.explain import Contribution, Known, contributions
from functions.domain.model import UNCHANGED, Versioned
from functions.domain.rollup import Contact, of_contacts
from functions.domain.score import Slot, Sum, Sums

#: Sums by contact; those of events that name none are the empty text's.
ByContact = Mapping[str, Sums]
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


def days(
    before: ByContact,
    by_day: Mapping[date, ByContact],
    first: date,
    last: date,
    now: datetime,
    scoring: Versioned = UNCHANGED,
) -> Iterator[Day]:
    """Yield the days from ``first`` to ``last``, those without events too.

    Args:
        before: the sums of what had happened before ``first``.
        by_day: the sums of what happened on each day.
    """
    known = Known(*of_contacts(before), scoring)
    for number in range((last - first).days + 1):
        day = first + number * ONE_DAY
        added: dict[Slot, Sum] = {}
        for contact_id, sums in by_day.get(day, {}).items():
            _add(added, sums)
            if contact_id:
                contact = known.people.known.get(contact_id, Contact({}))
                known.people.put(contact_id, _add(dict(contact.sums), sums)).ranked()
        whole = _add(dict(known.sums), added)
        known = known.then(whole, known.people.copied())
        at = min(midnight(day + ONE_DAY), now)
        yield Day(
            day,
            known.shown("buyer", at),
            known.shown("rep", at),
            [*contributions(added, "buyer", at), *contributions(added, "rep", at)],
        )


def _add(sums: dict[Slot, Sum], added: Sums) -> dict[Slot, Sum]:
    """Add ``added`` to ``sums``, and return them."""
    for slot, each in added.items():
        score.add(sums, slot, each)
    return sums
