"""What a tenant may send and read: rates, monthly limits, and event types of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from functions.domain.catalog import EVENT_TYPES, EventType

_CONFIG = ConfigDict(frozen=True, extra="forbid")


class Rate(BaseModel):
    """So many events or requests a second on average, and so many at once."""

    model_config = _CONFIG

    perSecond: Annotated[float, Field(gt=0, le=1_000_000)]  # noqa: N815 - the wire's name
    burst: Annotated[int, Field(ge=1, le=10_000_000)]

    @property
    def interval_us(self) -> int:
        """Microseconds one of them takes up."""
        return max(1, round(1_000_000 / self.perSecond))


#: How often a tenant may ask one API process where its plan does not say: what a process can answer, ten seconds of it
#: at once, so that a program that reads back all it sent is not in its own way. Turns protect the others.
READ_RATE = Rate(perSecond=500, burst=5000)


class Monthly(BaseModel):
    """Events a calendar month (UTC): from ``soft`` on senders are warned, above ``hard`` they are refused."""

    model_config = _CONFIG

    soft: Annotated[int, Field(ge=0)] | None = None
    hard: Annotated[int, Field(ge=0)] | None = None


class Plan(BaseModel):
    """A tenant's limits; what is not named is not limited, but reads are by :data:`READ_RATE`.

    Args:
        rate, keyRate: events, of the tenant and of each of its keys.
        readRate: requests to one API process other than those that bring events.
    """

    model_config = _CONFIG

    rate: Rate | None = None
    keyRate: Rate | None = None  # noqa: N815 - the wire's name
    readRate: Rate | None = None  # noqa: N815 - the wire's name
    monthly: Monthly = Monthly()

    @property
    def unlimited(self) -> bool:
        """Whether it limits no events and warns of nothing."""
        monthly = self.monthly
        return self.rate is None and self.keyRate is None and monthly.soft is None and monthly.hard is None


class OwnEventType(BaseModel):
    """An event type of a tenant's own."""

    model_config = _CONFIG

    type: Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9._-]+$")]
    signal: Annotated[str, StringConstraints(min_length=1, max_length=50, pattern=r"^[a-z_]+$")]
    score: Annotated[float, Field(ge=0, le=1)]
    points: Annotated[int, Field(ge=-1000, le=1000)]
    halfLifeDays: Annotated[int, Field(ge=1, le=3650)]  # noqa: N815 - the wire's name
    side: Literal["buyer", "rep"] = "buyer"
    #: JSON Schema that ``data`` must match.
    dataSchema: dict[str, Any] | None = None  # noqa: N815 - the wire's name

    def as_event_type(self) -> EventType:
        """In the catalog's terms."""
        return EventType(
            self.type, self.signal, round(self.score * 100), self.points, self.halfLifeDays, self.side, prefix=""
        )


class Terms(BaseModel):
    """All that the front door needs to know of a tenant."""

    model_config = _CONFIG

    suspended: bool = False
    plan: Plan = Plan()
    types: Mapping[str, OwnEventType] = {}

    def event_type(self, name: str) -> EventType | None:
        """What ``name`` means to this tenant: one of the platform's types or of its own."""
        return event_type(name, self.types)


def event_type(name: str, own: Mapping[str, OwnEventType]) -> EventType | None:
    """Look ``name`` up; the platform's types cannot be redefined."""
    found = EVENT_TYPES.get(name)
    if found is None and name in own:
        return own[name].as_event_type()
    return found
