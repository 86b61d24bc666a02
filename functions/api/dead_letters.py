"""The API's dead letters: a tenant's own, or for the operator everybody's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from events import cloudevent, deadletter
from events.deadletter import DeadLetters, Moved, Wanted
from events.errors import Fault, Refused
from events.log import Log
from functions.api.parameters import Model, Moment, Nothing, Text, parsed
from functions.domain.catalog import EVENT_TYPES, PREFIX
from functions.domain.sales import RECEIVED
from functions.service.dead_letters import in_full, in_short, names_of, unix_ms

log = Log("api")


class Selection(BaseModel):
    """Which letters, in a query or in a body; with nothing named, all of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tenant: Text | None = None
    channel: Literal["events", "signals", "notices"] | None = None
    type: Text | None = None
    source: Text | None = None
    eventId: Text | None = None  # noqa: N815 - the wire's name
    reason: Text | None = None
    status: Annotated[int, Field(ge=0, le=999)] | None = None
    since: Annotated[Moment | None, Field(alias="from")] = None
    until: Annotated[Moment | None, Field(alias="to")] = None
    cursor: Text | None = None


class Listing(Selection):
    """``GET /api/v1/dead-letters``."""

    limit: Annotated[int, Field(ge=1, le=100)] = 20


class Edit(BaseModel):
    """The body of ``PATCH``: other data for the event, or another event."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: Any = None
    event: dict[str, Any] = {}

    @model_validator(mode="after")
    def _one_of_them(self) -> Edit:
        if len(self.model_fields_set) != 1:
            raise PydanticCustomError("edit", "takes either data or event")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterDesk:
    """Answers for the routes below ``/api/v1/dead-letters``.

    In every method ``tenant`` is whose letters it is about; None is the operator, who has all of them.

    Args:
        letters: where they are.
        nonce: draws what has never been drawn.
        max_bytes: the largest event that may be made by editing.
    """

    letters: DeadLetters
    nonce: Callable[[], str]
    max_bytes: int

    def page(self, tenant: str | None, arguments: Mapping[str, str]) -> dict[str, Any]:
        """One page of letters, the latest buried first."""
        asked = parsed(Listing, arguments)
        page = self.letters.page(_wanted(tenant, asked), after=asked.cursor, limit=asked.limit)
        return {"data": [in_short(letter) for letter in page.letters], "next_cursor": page.next}

    def of_event(self, tenant: str, event_id: UUID) -> dict[str, Any] | None:
        """Return what a dead event is, how often it was tried and why it failed; None if it is not dead."""
        letter = self.letters.of_event(tenant, str(event_id))
        event = letter and letter.event()
        if not letter or not event:
            return None
        told = in_short(letter)
        return {
            "source": event.source,
            "source_id": event.id,
            "received_at": event.extension(RECEIVED),
            "attempts": letter.attempts,
            "dead_letter": {name: told[name] for name in ("id", "reason", "status", "first_at", "last_at")},
        }

    def show(self, tenant: str | None, arguments: Mapping[str, str], id_: str) -> dict[str, Any]:
        """One letter with its whole event."""
        parsed(Nothing, arguments)
        shown = in_full(self.letters.get(id_, tenant))
        if tenant is not None and isinstance(shown["event"], dict):
            shown["event"].pop("knativeerrordest", None)  # an address of ours, for the operator alone
        return shown

    def edit(self, tenant: str | None, arguments: Mapping[str, str], id_: str, body: bytes) -> dict[str, Any]:
        """Give a letter other data or another event. Answers no content: this may be a key that must not read."""
        parsed(Nothing, arguments)
        letter = self.letters.get(id_, tenant)
        if tenant is not None and letter.place.channel != "events":
            detail = "what the platform published itself can be redriven or purged, not edited"
            raise Refused("Forbidden", status=403, detail=detail)
        edit = _document(Edit, body)
        whole = "event" in edit.model_fields_set
        event = _whole(letter, edit.event) if whole else deadletter.with_data(letter, edit.data)
        if tenant is not None:
            _no_type_of_ours(event)
        if len(event) > self.max_bytes:
            raise Refused("Event too large", status=413, detail=f"at most {self.max_bytes} bytes")
        self.letters.edit(letter, event)
        log.info("dead_letter_edited", letter=letter.id)
        return {"id": letter.id, "edited": True}

    def redrive(self, tenant: str | None, arguments: Mapping[str, str], id_: str, body: bytes) -> dict[str, Any]:
        """Put one letter back into its channel."""
        parsed(Nothing, arguments)
        del body
        letter = self.letters.get(id_, tenant)
        if letter.event() is None:
            raise Refused("Unreadable", status=409, detail="this letter's event cannot be read, only purged")
        if not self.letters.redrive([letter], self.nonce):
            raise deadletter.changed()
        log.info("dead_letter_redriven", letter=letter.id)
        return {"redriven": 1}

    def redrive_wanted(self, tenant: str | None, arguments: Mapping[str, str], body: bytes) -> dict[str, Any]:
        """Put the letters that the body selects back into their channels: as many as one call may."""
        parsed(Nothing, arguments)
        asked = _document(Selection, body)
        moved = self.letters.redrive_wanted(_wanted(tenant, asked), self.nonce, after=asked.cursor)
        return _told("redriven", moved)

    def purge(self, tenant: str | None, arguments: Mapping[str, str], id_: str) -> dict[str, Any]:
        """Throw one letter away."""
        parsed(Nothing, arguments)
        letter = self.letters.get(id_, tenant)
        if not self.letters.purge([letter]):
            raise deadletter.changed()
        log.info("dead_letter_purged", letter=letter.id)
        return {"purged": 1}

    def purge_wanted(self, tenant: str | None, arguments: Mapping[str, str], body: bytes) -> dict[str, Any]:
        """Throw the letters that the body selects away: as many as one call may."""
        parsed(Nothing, arguments)
        asked = _document(Selection, body)
        return _told("purged", self.letters.purge_wanted(_wanted(tenant, asked), after=asked.cursor))


def _wanted(tenant: str | None, asked: Selection) -> Wanted:
    if tenant is not None and asked.tenant not in {None, tenant}:
        raise Refused("Bad request", faults=(Fault("/tenant", "is not this key's tenant"),))
    return Wanted(
        tenant=asked.tenant if tenant is None else tenant,
        channel=asked.channel,
        types=None if asked.type is None else names_of(asked.type),
        source=asked.source,
        event_id=asked.eventId,
        reason=asked.reason,
        status=asked.status,
        since_ms=unix_ms(asked.since) if asked.since else None,
        until_ms=unix_ms(asked.until) if asked.until else None,
    )


def _document(model: type[Model], body: bytes) -> Model:
    """Read a body.

    Raises:
        Refused: 400 with a pointer to each thing that is wrong.
    """
    try:
        return model.model_validate_json(body)
    except ValidationError as exc:
        raise Refused("Bad request", faults=tuple(cloudevent.faults(exc.errors(include_url=False)))) from exc


def _whole(letter: deadletter.Letter, given: Mapping[str, Any]) -> bytes:
    """Another event for ``letter``; pointers lead into the body."""
    try:
        return deadletter.with_event(letter, given)
    except Refused as exc:
        exc.faults = tuple(Fault("/event" + fault.pointer, fault.detail) for fault in exc.faults)
        raise


def _no_type_of_ours(event: bytes) -> None:
    """What begins as the platform's types do must be one that senders may use, as at the front door."""
    type_ = cloudevent.parse(event).event.type
    if type_.startswith(PREFIX) and type_ not in EVENT_TYPES:
        fault = Fault("/event/type", "is not an event type this tenant has")
        raise Refused("Unacceptable event", status=422, faults=(fault,))


def _told(done: str, moved: Moved) -> dict[str, Any]:
    log.info(f"dead_letters_{done}", count=moved.count, remaining=moved.remaining)
    return {done: moved.count, "skipped": moved.skipped, "remaining": moved.remaining, "next_cursor": moved.next}
