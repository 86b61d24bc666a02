"""A signal: what one event means, with a score and the reasons for it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from functions.domain.sales import UNSCORED, SalesEvent

if TYPE_CHECKING:  # ingest has no use for scoring models
    from functions.domain.model import ScoringModel

#: Bonuses in 1/100. Source: docs/scoring.md, "Signal score".
FAST_RESPONSE, FAST_RESPONSE_HOURS = 10, 24
MANY_INTERACTIONS, MANY_INTERACTIONS_MORE_THAN = 15, 3

#: What is shown of every recorded signal, in this order.
SHOWN = (
    "id",
    "account_id",
    "user_id",
    "contact_id",
    "event_type",
    "signal_type",
    "signal_score",
    "points",
    "timestamp",
    "processed_at",
    "metadata",
    "reasons",
)


class Signal(NamedTuple):
    """What an event means.

    Args:
        event: where it comes from; the signal's id is the event's.
        hundredths: the signal score in 1/100, 0-100.
        reasons: why the score is what it is, one sentence each.
    """

    event: SalesEvent
    hundredths: int
    reasons: tuple[str, ...]

    @classmethod
    def of(cls, event: SalesEvent) -> Signal:
        """Score one event by its type and its metadata; nothing else plays a part."""
        kind = event.kind
        hundredths = kind.hundredths
        reasons = [f"{kind.alias} is worth {_decimal(kind.hundredths)}"]
        if kind.signal == UNSCORED:
            reasons = [f"{kind.type} is not a known event type"]
        hours = _number(event.metadata, "responseTimeHours")
        if hours is not None and hours < FAST_RESPONSE_HOURS:
            hundredths += FAST_RESPONSE
            reasons.append(f"answered within {FAST_RESPONSE_HOURS} hours: +{_decimal(FAST_RESPONSE)}")
        interactions = _number(event.metadata, "interactionCount")
        if interactions is not None and interactions > MANY_INTERACTIONS_MORE_THAN:
            hundredths += MANY_INTERACTIONS
            reasons.append(f"more than {MANY_INTERACTIONS_MORE_THAN} interactions: +{_decimal(MANY_INTERACTIONS)}")
        if event.ahead:
            reasons.append(f"its time, {event.sent['time']}, is after it was received: it counts from receipt")
        if hundredths > 100:
            hundredths = 100
            reasons.append("at most 1.00")
        return cls(event, hundredths, tuple(reasons))

    def worth(self, model: ScoringModel) -> Signal:
        """Return it with the points and the half-life that its type has in a model."""
        kind = model.worth(self.event.kind)
        return self if kind is self.event.kind else self._replace(event=self.event._replace(kind=kind))

    @property
    def score(self) -> float:
        """The signal score, 0.00-1.00."""
        return self.hundredths / 100


def _number(metadata: Mapping[str, Any], name: str) -> float | None:
    value = metadata.get(name)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _decimal(hundredths: int) -> str:
    return f"{hundredths / 100:.2f}"


def instant(at: datetime) -> str:
    """Write a moment as RFC 3339 in UTC."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
