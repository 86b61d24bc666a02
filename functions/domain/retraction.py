"""A retraction: an event that takes another one back, and what it says about that."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, NamedTuple
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from events import cloudevent
from events.errors import Fault

_Text = Annotated[str, StringConstraints(min_length=1, max_length=2048)]
_Words = Annotated[str, StringConstraints(min_length=1, max_length=300, pattern=r"^[^\x00-\x1f\x7f]*$")]


class RetractionData(BaseModel):
    """``data`` of a retraction: the event by source and id, or by the id that the platform gave it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    source: Annotated[_Text | None, Field(description="The source of the event that is taken back.")] = None
    id: Annotated[_Text | None, Field(description="Its id, as its sender gave it.")] = None
    eventId: Annotated[UUID | None, Field(description="Its id, as the platform gave it.")] = None  # noqa: N815 - the wire's name
    reason: _Words | None = None
    by: _Words | None = None

    @model_validator(mode="after")
    def _names_one(self) -> RetractionData:
        by_source = self.source is not None and self.id is not None
        if by_source == (self.eventId is not None):
            raise PydanticCustomError("retraction", "must have either source and id, or eventId")
        return self


class Retraction(NamedTuple):
    """What a retraction says.

    Args:
        event_id: the event that it takes back.
        by: who does it: whom it names, or its source.
    """

    event_id: str
    by: str
    reason: str | None


def faults(data: Any) -> Iterator[Fault]:
    """Yield what is wrong with the data of a retraction."""
    try:
        RetractionData.model_validate(data)
    except ValidationError as exc:
        for fault in cloudevent.faults(exc):
            yield Fault("/data" + fault.pointer, fault.detail)


def retraction(tenant: str, source: str, data: Any) -> Retraction | None:
    """Return what a retraction from ``source`` says; None where its data names no event."""
    try:
        said = RetractionData.model_validate(data)
    except ValidationError:
        return None
    named = str(said.eventId) if said.eventId else cloudevent.event_id(tenant, said.source or "", said.id or "")
    return Retraction(named, said.by or source, said.reason)
