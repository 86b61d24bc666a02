"""An account's events and, from all of them each time, its scores: what the course is checked against."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from functions.domain import score
from functions.domain.catalog import EVENT_TYPES
from functions.domain.course import Change, Course, Opened
from functions.domain.model import DEFAULT
from functions.domain.score import DAY_US
from functions.domain.thresholds import Insights
from functions.domain.watch import Happening, Watch

LIMITS = Insights()
HOUR_US = DAY_US // 24
MINUTE_US = HOUR_US // 60

#: (kind, opened, closed)
Span = tuple[str, int, int | None]


@dataclass
class Log:
    """Events that happened so far. Scores are added up anew for each question, by the formula of docs/scoring.md."""

    events: list[Happening] = field(default_factory=list)

    def engagement(self, at: int) -> float:
        apart, contacts = self._points(at)
        first, *others = sorted(contacts.values(), reverse=True) or [0.0]
        rolled = 0.6 * first + 0.4 * sum(others) / len(others) if others else first
        return DEFAULT.shown(apart + rolled)

    def leading(self, at: int) -> tuple[str | None, float]:
        _, contacts = self._points(at)
        if not contacts or sum(contacts.values()) <= 0:
            return None, 0.0
        first = max(contacts, key=lambda each: (contacts[each], each))
        return first, contacts[first] / sum(contacts.values())

    def _points(self, at: int) -> tuple[float, dict[str, float]]:
        apart = 0.0
        contacts: dict[str, float] = {}
        for event in self.events:
            kind = EVENT_TYPES[event.type]
            if not event.buyer or not event.points:
                continue
            worth = kind.points * 0.5 ** ((at - event.at) / (kind.half_life_days * DAY_US))
            if event.contact is None:
                apart += worth
            else:
                contacts[event.contact] = contacts.get(event.contact, 0.0) + worth
        return apart, contacts


def happening(at: int, id_: str, alias: str, contact: str | None = None, role: str | None = None) -> Happening:
    """Return an event; whether its contact is a newcomer is left open.

    Args:
        role: what the event says of the contact's.
    """
    kind = EVENT_TYPES[alias]
    return Happening(at, id_, kind.type, kind.side == "buyer", kind.points, contact, role)


def in_order(events: Iterable[Happening]) -> list[Happening]:
    """Return events in their order, with who is a newcomer."""
    seen: set[str] = set()
    ordered = []
    for event in sorted(events, key=lambda each: (each.at, each.id)):
        new = event.buyer and event.points != 0 and event.contact is not None and event.contact not in seen
        if new and event.contact is not None:
            seen.add(event.contact)
        ordered.append(event._replace(newcomer=new))
    return ordered


def run(events: Iterable[Happening], until: int, limits: Insights = LIMITS) -> tuple[list[Change], Watch]:
    """Return the course of ``events`` from the start to ``until``."""
    log = Log()
    course = Course(Watch(), log, limits)
    changes: list[Change] = []
    for event in in_order(events):
        changes += course.advance(event.at)
        log.events.append(event)
        changes += course.happened(event)
    return changes + course.advance(until), course.watch


@dataclass
class Live:
    """An account that takes events as they come: in order they step its course, a late one runs all of it again."""

    log: Log = field(default_factory=Log)
    watch: Watch = field(default_factory=Watch)
    changes: list[Change] = field(default_factory=list)

    def take(self, event: Happening) -> None:
        if self.watch.late(event.at, event.id):
            self.log.events = in_order([*self.log.events, event])
            self.changes, self.watch = run(self.log.events, self.watch.fired)
            return
        course = Course(self.watch, self.log, LIMITS)
        self.changes += course.advance(event.at)
        self.log.events = in_order([*self.log.events, event])
        self.changes += course.happened(self.log.events[-1])
        self.watch = Watch.read(json.loads(json.dumps(self.watch.stored())))

    def tick(self, now: int) -> None:
        self.changes += Course(self.watch, self.log, LIMITS).advance(now)


def spans(changes: Sequence[Change]) -> list[Span]:
    """Return the episodes that changes make together."""
    found: list[Span] = []
    for change in changes:
        name = change.kind.name
        if isinstance(change, Opened):
            found.append((name, change.at, change.until))
        else:
            [number] = [n for n, span in enumerate(found) if span[0] == name and span[2] is None]
            found[number] = (name, found[number][1], change.at)
    return found


def us(text: str) -> int:
    """Return a moment, written in ISO 8601."""
    return score.since_landmark(datetime.fromisoformat(text).astimezone(UTC))


def text(at: int) -> str:
    """Write a moment as :func:`us` reads it."""
    return (score.LANDMARK + at * timedelta(microseconds=1)).isoformat().removesuffix(":00+00:00")
