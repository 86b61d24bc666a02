"""What an insight is: its kind, its identity, and the look by which it is found. See docs/insights.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol
from uuid import NAMESPACE_URL, uuid5

from functions.domain.catalog import INSIGHT, PREFIX
from functions.domain.score import DAY_US
from functions.domain.thresholds import Insight, Insights
from functions.domain.watch import Happening, Watch

#: The signal type of an insight.
SIGNAL = "insight"

MINUTE_US = 60_000_000
#: How long an insight about a single event stays open, in days.
NEWS_DAYS = 14

Evidence = Mapping[str, Any]


class Scores(Protocol):
    """The scores of an account at any moment from its newest event on."""

    def engagement(self, at: int) -> float:
        """Return the engagement that is shown, 0-100."""

    def leading(self, at: int) -> tuple[str | None, float]:
        """Return the contact with the most points, and its share of all contacts' points, 0-1."""


@dataclass
class Look:
    """An account at a moment: after an event, or in silence.

    Args:
        event: None in silence.
        peopled: whether a contact had acted before the event.
        silent_us: how long the buyer had been silent before the event.
    """

    at: int
    watch: Watch
    scores: Scores
    limits: Insights
    event: Happening | None = None
    peopled: bool = False
    silent_us: int = 0

    @cached_property
    def engagement(self) -> float:
        """The engagement that is shown, 0-100."""
        return self.scores.engagement(self.at)

    @cached_property
    def leading(self) -> tuple[str | None, float]:
        """The contact with the most points and its share."""
        return self.scores.leading(self.at)

    @property
    def scored(self) -> bool:
        """Whether scores are looked at: after each event, and at midnight."""
        return self.event is not None or self.at % DAY_US == 0

    def is_of(self, types: frozenset[str]) -> bool:
        """Whether it is after an event of one of ``types``."""
        return self.event is not None and self.event.type in types


def never(_watch: Watch, _limits: Insights) -> tuple[int, ...]:
    """Return that silence alone changes nothing."""
    return ()


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of insight.

    Args:
        name: its name; after ``io.sspp.insight.`` it is an event type.
        limits: its thresholds in a scoring model.
        opens: the evidence, if it begins at a moment; it is not open.
        reasons: the evidence in a sentence.
        days: how long it lasts; None where that depends on what happens.
        stays: whether it goes on at a moment.
        due: when silence alone may begin or end it, as far as that is known; moments that are passed do not matter.
        many: whether it can begin again while it is open, as one for each contact does.
        in_silence: whether it begins in silence, and never with an event.
    """

    name: str
    limits: Callable[[Insights], Insight]
    opens: Callable[[Look], Evidence | None]
    reasons: Callable[[Evidence], str]
    days: int | None = None
    stays: Callable[[Look], bool] = lambda _: True
    due: Callable[[Watch, Insights], tuple[int, ...]] = never
    many: bool = False
    in_silence: bool = False

    @property
    def type(self) -> str:
        """The event type."""
        return INSIGHT + self.name


def insight_id(tenant: str, account: str, kind: str, opened_at: int, event_id: str | None) -> str:
    """Return the id of an insight, and of its signal: the same each time it is found.

    Args:
        event_id: the event it began with; None where it began in silence.
    """
    return str(uuid5(NAMESPACE_URL, f"{INSIGHT}{kind}\n{tenant}\n{account}\n{opened_at}\n{event_id or ''}"))


def next_midnight(watch: Watch) -> int:
    """Return the first midnight (UTC) that was not looked at."""
    return (watch.looked // DAY_US + 1) * DAY_US


def while_open(name: str) -> Callable[[Watch, Insights], tuple[int, ...]]:
    """Return what makes an insight that is open looked at each midnight."""
    return lambda watch, _: (next_midnight(watch),) if name in watch.open else ()


def short(type_: str) -> str:
    """Return an event type as people write it: ``demo_requested``."""
    return type_.removeprefix(PREFIX).replace(".", "_")
