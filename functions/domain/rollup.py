"""Engagement over contacts: the highest one and the mean of the others, so that one busy person is no committee.

The contacts' points are one total of the account, exact in any order. So of single contacts only the highest one has
to be known, whichever that is at a moment.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

from pydantic_core import from_json

from functions.domain import ranking, score
from functions.domain.model import RollupWeights
from functions.domain.score import Slot, Sum, Sums


class Contact:
    """One person of an account: the sums of the events that name this contact, and its rank among the others.

    Most contacts of an account are read for their ranks alone, so sums are parsed when they are first asked for.

    Args:
        sums: or their stored form.
        rank, slow: as of an account, by engagement (:func:`functions.domain.ranking.ranks`); None bounds nothing.
    """

    __slots__ = ("_engaged", "_sums", "rank", "slow")

    def __init__(self, sums: dict[Slot, Sum] | str, rank: int | None = None, *, slow: bool = False) -> None:
        self._sums = sums
        self._engaged: bool | None = None
        self.rank = rank
        self.slow = slow

    @property
    def sums(self) -> dict[Slot, Sum]:
        """The sums. All of them stay: the faded ones say that somebody is a contact."""
        if isinstance(self._sums, str):
            self._sums = score.from_rows(from_json(self._sums))
        return self._sums

    @property
    def engaged(self) -> bool:
        """Whether the buyer's side has any event of this contact that counts."""
        if self._engaged is None:
            self._engaged = any(slot[1] == "buyer" for slot in self.sums)
        return self._engaged

    def ranked(self) -> Contact:
        """Give it the rank that its sums have, and return it."""
        self.rank, _, self.slow = ranking.ranks(self.sums)
        return self

    def most_points(self, at: datetime) -> float:
        """Return the most points it can have at ``at``, by its rank."""
        return math.inf if self.rank is None else ranking.most_points(self.rank, at, slow=self.slow)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Contact) and self.sums == other.sums

    def __hash__(self) -> int:
        return id(self)


@dataclass(slots=True)
class People:
    """The contacts of an account, as far as they had to be read.

    Args:
        engaged: how many contacts have events of the buyer's side that count.
        known: contacts by id, the highest by rank among them.
        beyond: the highest rank of those that were not read, none of which is slow; None where all were.
        others: read all contacts that were not.
        made_of: moment -> what the engagement is made of then. Several questions are about one moment.
    """

    engaged: int = 0
    known: dict[str, Contact] = field(default_factory=dict)
    beyond: int | None = None
    others: Callable[[], Mapping[str, Contact]] | None = None
    made_of: dict[datetime, Rollup] = field(default_factory=dict, compare=False, repr=False)

    def copied(self) -> People:
        """Return them as they are now, whatever comes."""
        return replace(self, known=dict(self.known), made_of={})

    def highest(self, at: datetime) -> tuple[float, str]:
        """Return the most points of a contact at ``at``, and whose they are. There is a contact with events."""
        best = _highest(self.known, at)
        if self.beyond is not None and ranking.most_points(self.beyond, at, slow=False) >= best[0]:
            self.read_all()
            best = _highest(self.known, at)
        return best

    def read_all(self) -> None:
        """Read the contacts that were not."""
        if self.others:
            self.known = {**self.others(), **self.known}
        self.beyond, self.others = None, None

    def put(self, contact_id: str, sums: dict[Slot, Sum]) -> Contact:
        """Change what the events of a contact add up to; it is known, or has had none. It has no rank from then on."""
        self.made_of.clear()
        before = self.known.get(contact_id)
        contact = self.known[contact_id] = Contact(sums)
        self.engaged += contact.engaged - (before is not None and before.engaged)
        return contact

    def without(self, contact_id: str, slot: Slot, added: Sum) -> People:
        """Return them as they are without what an event of a contact added."""
        return self.earlier({contact_id: score.without(self.known[contact_id].sums, slot, added)})

    def earlier(self, sums: Mapping[str, dict[Slot, Sum]]) -> People:
        """Return them as they were when some contacts had other ``sums``; the others, the same as now."""
        people = self.copied()
        for contact_id, each in sums.items():
            people.put(contact_id, each)
        return people


class Rollup(NamedTuple):
    """What an account's engagement is made of at a moment, in points.

    Args:
        apart: of events that name no contact.
        highest: of the contact with the most, whose id is ``leader``; 0 and None where there are no contacts.
        others: how many other contacts there are.
        rest: their mean.
        points: the engagement.
    """

    apart: float
    leader: str | None
    highest: float
    others: int
    rest: float
    points: float


def rolled_up(sums: Sums, people: People, at: datetime, weights: RollupWeights | None) -> Rollup:
    """Return an account's engagement at ``at``.

    One contact alone counts whole: nobody is told apart from anybody.

    Args:
        sums: the account's; those that ``people`` goes with.
        weights: None adds all points up, whoever they are of.
    """
    found = people.made_of.get(at)
    if found is None:
        found = people.made_of[at] = _rolled_up(sums, people, at, weights)
    return found


def _rolled_up(sums: Sums, people: People, at: datetime, weights: RollupWeights | None) -> Rollup:
    apart, total = score.engagement(sums, at)
    if people.engaged == 0:
        return Rollup(apart, None, 0.0, 0, 0.0, apart + total)
    if people.engaged == 1 and len(people.known) == 1:
        return Rollup(apart, next(iter(people.known)), total, 0, 0.0, apart + total)
    highest, leader = people.highest(at)
    others = people.engaged - 1
    rest = (total - highest) / others if others else 0.0
    if weights is None or not others:
        return Rollup(apart, leader, highest, others, rest, apart + total)
    return Rollup(apart, leader, highest, others, rest, apart + weights.highest * highest + weights.rest * rest)


def of_contacts(by_contact: Mapping[str, Sums]) -> tuple[dict[Slot, Sum], People]:
    """Return the sums of a whole account, and its people.

    Args:
        by_contact: sums; those of events that name no contact are the empty text's.
    """
    whole: dict[Slot, Sum] = {}
    people = People()
    for contact_id, each in by_contact.items():
        for slot, part in each.items():
            score.add(whole, slot, part)
        if contact_id:
            people.put(contact_id, dict(each))
    return whole, people


def _highest(contacts: Mapping[str, Contact], at: datetime) -> tuple[float, str]:
    """Return the most points of ``contacts`` at ``at``; those whose ranks allow less are not added up."""
    best = (-math.inf, "")
    for contact_id, contact in contacts.items():
        if contact.most_points(at) >= best[0] and contact.engaged:
            best = max(best, (score.points(contact.sums, "buyer", at), contact_id))
    return best
