"""The course of an account: which insights begin and end, with its events and in the silence between them.

A pure function of the events in the order ``(at, id)`` and of time. What silence brings is dated by the moment it was
due, so whether anybody looks then, later or twice makes no difference.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from functions.domain.insight import Evidence, Kind, Look, Scores, never
from functions.domain.insights import KINDS
from functions.domain.score import DAY_US
from functions.domain.thresholds import Insights
from functions.domain.watch import Happening, Watch


class Opened(NamedTuple):
    """An insight begins.

    Args:
        until: when it ends, where that is known.
        event: what it began with; None in silence.
    """

    kind: Kind
    at: int
    until: int | None
    event: Happening | None
    evidence: Evidence

    @property
    def contact(self) -> str | None:
        """Whom it is about, where it is about one contact."""
        named: str | None = self.evidence.get("contact")
        return named or (self.event.contact if self.event else None)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why, in sentences."""
        return (self.kind.reasons(self.evidence),)


class Closed(NamedTuple):
    """The insight of a kind that is open ends."""

    kind: Kind
    at: int


Change = Opened | Closed

#: The kinds that silence can begin or end.
_IN_SILENCE = tuple(kind for kind in KINDS if kind.due is not never)


@dataclass(slots=True)
class Course:
    """An account's insights as time goes on.

    Args:
        watch: what is remembered; changed by each call.
        scores: at any moment, with exactly the events that have happened.
    """

    watch: Watch
    scores: Scores
    limits: Insights = field(default_factory=Insights)

    @property
    def next_due(self) -> int | None:
        """The next moment at which silence may change an insight."""
        watch, limits = self.watch, self.limits
        if not watch.id:
            return None
        after = watch.looked
        return min([due for kind in _IN_SILENCE for due in kind.due(watch, limits) if due > after], default=None)

    def advance(self, until: int) -> list[Change]:
        """Return what silence brings up to ``until``, in order."""
        changes: list[Change] = []
        while (due := self.next_due) is not None and due <= until:
            self.watch.looked = due
            found = self._look(Look(due, self.watch, self.scores, self.limits))
            if found:
                self.watch.fired = due
            changes += found
        return changes

    def happened(self, event: Happening) -> list[Change]:
        """Return what the next event brings. Silence before it has been looked at, and scores have it in them."""
        watch = self.watch
        look = Look(event.at, watch, self.scores, self.limits, event, watch.peopled)
        if event.inbound and watch.inbound is not None:
            look.silent_us = event.at - watch.inbound
        watch.note(event, look.engagement if event.inbound else 0.0, self.limits)
        return self._look(look)

    def _look(self, look: Look) -> list[Change]:
        """Return what begins and ends at a moment."""
        changes: list[Change] = []
        open_, silent = self.watch.open, look.event is None
        for kind in KINDS:
            name = kind.name
            if (until := open_.get(name)) is not None:
                if until and until <= look.at:
                    del open_[name]  # that it ends then was said when it began
                elif not until and not (kind.limits(self.limits).enabled and kind.stays(look)):
                    del open_[name]
                    changes.append(Closed(kind, look.at))
            if kind.in_silence != silent or name in open_ or (evidence := kind.opens(look)) is None:
                continue
            if kind.limits(self.limits).enabled:
                ends = look.at + kind.days * DAY_US if kind.days else None
                if not kind.many:
                    open_[name] = ends or 0
                changes.append(Opened(kind, look.at, ends, look.event, evidence))
        return changes


class Episode(NamedTuple):
    """An insight from its beginning to its end; ``closed_at`` is None while that is not known."""

    opened: Opened
    closed_at: int | None


def episodes(changes: Iterable[Change]) -> list[Episode]:
    """Return what changes make together, in the order in which they began."""
    found: list[Episode] = []
    open_: dict[str, int] = {}
    for change in changes:
        if isinstance(change, Opened):
            open_[change.kind.name] = len(found)
            found.append(Episode(change, change.until))
        elif (number := open_.pop(change.kind.name, None)) is not None:
            found[number] = found[number]._replace(closed_at=change.at)
    return found
