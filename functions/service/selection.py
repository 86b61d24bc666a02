"""The one filter of dead letters, for every caller and every action."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from events import cloudevent
from events.deadletter import Letter
from functions.domain.catalog import full_type
from functions.domain.moment import unix_ms
from functions.domain.name import Text


class Selection(BaseModel):
    """Which dead letters: those that fit everything that is not None.

    Args:
        type: the event's type or its alias.
        event_id: the sender's id of the event, or the one that the front door gave it.
        reason: a part of it, in upper or lower case.
        status: the last answer's; 0 for no answer.
        since, until: when the last attempt was; ``since`` is included, ``until`` is not.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    tenant: Text | None = None
    channel: Literal["events", "signals", "notices"] | None = None
    type: Text | None = None
    source: Text | None = None
    event_id: Annotated[Text | None, Field(alias="eventId")] = None
    reason: Text | None = None
    status: Annotated[int, Field(ge=0, le=999)] | None = None
    since: Annotated[AwareDatetime | None, Field(alias="from")] = None
    until: Annotated[AwareDatetime | None, Field(alias="to")] = None

    def fits(self, letter: Letter) -> bool:
        """Return whether ``letter`` is selected. Its event is parsed only where the selection is about it."""
        return (
            self.tenant in {None, letter.tenant}
            and self.channel in {None, letter.place.channel}
            and self.status in {None, letter.status}
            and (self.since is None or unix_ms(self.since) <= letter.last_ms)
            and (self.until is None or letter.last_ms < unix_ms(self.until))
            and (self.reason is None or self.reason.casefold() in letter.reason.casefold())
            and self._fits_event(letter)
        )

    def _fits_event(self, letter: Letter) -> bool:
        if self.type is None and self.source is None and self.event_id is None:
            return True
        event = letter.event()
        return (
            event is not None
            and (self.type is None or full_type(event.type) == full_type(self.type))
            and self.source in {None, event.source}
            and self.event_id in {None, event.id, cloudevent.event_id(letter.tenant, event.source, event.id)}
        )
