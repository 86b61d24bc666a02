"""The course of an account from its first event: what counts of it, its scores, and what came of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol, Self

from functions.domain import score
from functions.domain.attributes import ROLES
from functions.domain.catalog import SIDES, EventType
from functions.domain.course import Change, Course
from functions.domain.explain import Known
from functions.domain.policy import Fact
from functions.domain.score import Slot, Sum
from functions.domain.signal import Signal
from functions.domain.thresholds import Insights
from functions.domain.watch import WATCHED, Happening, Watch


class Counted(NamedTuple):
    """An event that insights depend on.

    Args:
        at: when it occurred, in microseconds since the landmark.
        role: see :class:`functions.domain.watch.Happening`.
    """

    at: int
    id: str
    kind: EventType
    contact: str | None
    role: str | None = None

    @classmethod
    def of(cls, signal: Signal) -> Self | None:
        """Return a signal's event, or None where no insight depends on it."""
        event = signal.event
        if event.nobodys or event.kind.side not in SIDES or not (event.kind.points or event.kind.type in WATCHED):
            return None
        role = str(event.contact_says["role"] or "") if "role" in event.contact_says else None
        return cls(score.since_landmark(event.occurred_at), event.id, event.kind, event.contact_id, role_said(role))

    @classmethod
    def of_fact(cls, fact: Fact, contact: str | None) -> Self | None:
        """Return a recorded event, or None where no insight depends on it."""
        if fact.left_out or not (fact.points or fact.type in WATCHED):
            return None
        kind = EventType(fact.type, "", 0, fact.points, fact.half_life_days, fact.side, prefix="")
        return cls(fact.at, fact.id, kind, contact)

    def happening(self, *, newcomer: bool) -> Happening:
        """Return it as a course takes it."""
        kind = self.kind
        buyer = kind.side == "buyer"
        return Happening(self.at, self.id, kind.type, buyer, kind.points, self.contact, self.role, newcomer)


def role_said(role: str | None) -> str | None:
    """Return a role as insights take it: ``unknown`` takes one away, and what is no role says nothing."""
    return "" if role == "unknown" else role if role == "" or role in ROLES else None


class Account(Protocol):
    """What is followed: :class:`functions.domain.engine.Account`."""

    watch: Watch | None
    next_due: int | None

    @property
    def known(self) -> Known:
        """Its scores."""

    def add(self, contact_id: str | None, slot: Slot, added: Sum) -> None:
        """Add what an event adds."""

    def blank(self) -> Self:
        """Return it before its first event."""


class AccountScores(NamedTuple):
    """See :class:`functions.domain.insight.Scores`."""

    account: Account

    def engagement(self, at: int) -> float:
        """See Scores."""
        return self.account.known.shown("buyer", score.moment(at))

    def leading(self, at: int) -> tuple[str | None, float]:
        """See Scores."""
        made_of = self.account.known.rolled_up(score.moment(at))
        total = made_of.highest + made_of.rest * made_of.others
        return (made_of.leader, made_of.highest / total) if total > 0 else (None, 0.0)


def is_newcomer(account: Account, event: Counted) -> bool:
    """Return whether an event that is not added yet is the first one of its contact on the buyer's side."""
    if event.contact is None or event.kind.side != "buyer" or not event.kind.points:
        return False
    contact = account.known.people.known.get(event.contact)
    return contact is None or not contact.engaged


def replay(
    account: Account, events: Iterable[Counted], limits: Insights, until: int
) -> tuple[list[Change], Watch, int | None]:
    """Return the course of an account from its first event, to ``until`` at least, and when it is due next.

    Args:
        account: before its first event; changed.
    """
    course = Course(Watch(), AccountScores(account), limits)
    changes: list[Change] = []
    due = None
    for event in sorted(events, key=lambda each: (each.at, each.id)):
        if due is not None and due <= event.at:
            changes += course.advance(event.at)
        newcomer = is_newcomer(account, event)
        if event.kind.points:
            at = score.moment(event.at)
            account.add(event.contact, *score.contribution(event.kind, at, named=event.contact is not None))
        changes += course.happened(event.happening(newcomer=newcomer))
        due = course.next_due
    return changes + course.advance(until), course.watch, course.next_due
