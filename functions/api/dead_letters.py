"""The API's dead letters: a tenant's own, or for the operator everybody's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from events import cloudevent, deadletter
from events.deadletter import Letter, Moved, Wanted
from events.errors import Fault, Refused
from events.log import Log
from functions.api.backends import Backends
from functions.api.paging import Limit
from functions.api.parameters import Moment, Question, Text
from functions.api.routes import Resource
from functions.api.shown import Json, Shown, Time
from functions.domain.catalog import EVENT_TYPES, PREFIX
from functions.domain.key import READ_DEAD_LETTERS, WRITE_DEAD_LETTERS
from functions.domain.sales import RECEIVED
from functions.service.dead_letters import in_full, in_short, names_of, unix_ms

log = Log("api")


class Selection(Question):
    """Which dead letters. With nothing named, all of them."""

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
    """Which dead letters, and how many at once."""

    limit: Limit = 20


class Edit(Question):
    """Other data for the event, or another event."""

    data: Any = None
    event: Annotated[dict[str, Any], Field(default_factory=dict)]

    @model_validator(mode="after")
    def _one_of_them(self) -> Edit:
        if len(self.model_fields_set) != 1:
            raise PydanticCustomError("edit", "takes either data or event")
        return self


class Burial(Shown):
    """When and why an event became a dead letter."""

    id: str
    reason: str
    status: Annotated[int, Field(description="Of the last answer; 0 where there was none.")]
    first_at: Annotated[Time, Field(description="Of the first attempt.")]
    last_at: Annotated[Time, Field(description="Of the last attempt.")]


class DeadLetter(Burial):
    """A dead letter without what its event carries."""

    channel: str
    tenant: str
    type: str | None
    source: str | None
    source_id: Annotated[str | None, Field(description="The sender's id of the event.")]
    event_id: Annotated[str | None, Field(description="The id that the sender was given.")]
    attempts: int
    edited: bool


class WholeDeadLetter(DeadLetter):
    """A dead letter with its event."""

    event: Annotated[Json | str, Field(description="The text of it where it cannot be read.")]


class DeadLetterPage(Shown):
    """Some dead letters. A page may hold fewer than its limit, even none: the end is where `next_cursor` is null."""

    data: list[DeadLetter]
    next_cursor: str | None


class Edited(Shown):
    """The dead letter that was edited."""

    id: str
    edited: Literal[True] = True


class Redriven(Shown):
    """How many dead letters were put back into their channels."""

    redriven: int


class Purged(Shown):
    """How many dead letters were deleted."""

    purged: int


class Rest(Shown):
    """What one call left of the dead letters that were selected."""

    skipped: Annotated[int, Field(description="Those that cannot be read.")]
    remaining: Annotated[int, Field(description="A lower bound of those that the next call will find.")]
    next_cursor: Annotated[str | None, Field(description="Where the next call goes on; null at the end.")]


class RedrivenSome(Redriven, Rest):
    """How many dead letters one call put back, and what it left."""


class PurgedSome(Purged, Rest):
    """How many dead letters one call deleted, and what it left."""


#: In every operation ``tenant`` is whose letters it is about; None is the operator, who has all of them.
resource = Resource("dead-letters", "Events that no function could take.", scope=READ_DEAD_LETTERS, operator=True)


@resource.route("GET", "/api/v1/dead-letters")
def list_dead_letters(backends: Backends, tenant: str | None, *, query: Listing) -> DeadLetterPage:
    """List dead letters, the latest first."""
    page = backends.letters.page(_wanted(tenant, query), after=query.cursor, limit=query.limit)
    return DeadLetterPage(data=[DeadLetter(**in_short(letter)) for letter in page.letters], next_cursor=page.next)


def of_event(backends: Backends, tenant: str, event_id: UUID) -> dict[str, Any] | None:
    """Return what a dead event is, how often it was tried and why it failed; None if it is not dead."""
    letter = backends.letters.of_event(tenant, str(event_id))
    event = letter and letter.event()
    if not letter or not event:
        return None
    short = in_short(letter)
    return {
        "source": event.source,
        "source_id": event.id,
        "received_at": event.extension(RECEIVED),
        "attempts": letter.attempts,
        "dead_letter": Burial(**{name: short[name] for name in Burial.model_fields}),
    }


@resource.route("GET", "/api/v1/dead-letters/{id}")
def get_dead_letter(backends: Backends, tenant: str | None, *, id_: str) -> WholeDeadLetter:
    """Return one dead letter with its whole event."""
    shown = in_full(backends.letters.get(id_, tenant))
    if tenant is not None and isinstance(shown["event"], dict):
        shown["event"].pop("knativeerrordest", None)  # an address of ours, for the operator alone
    return WholeDeadLetter(**shown)


@resource.route("PATCH", "/api/v1/dead-letters/{id}", scope=WRITE_DEAD_LETTERS)
def edit_dead_letter(backends: Backends, tenant: str | None, *, id_: str, body: Edit) -> Edited:
    """Replace the data of a dead letter's event, or the event. Answers no content: the key may lack the right to read.

    `id`, `source`, `sspp...` and `knativeerror...` cannot be changed. A tenant edits its own events (channel
    `events`), not what the platform made of them.
    """
    letter = backends.letters.get(id_, tenant)
    if tenant is not None and letter.place.channel != "events":
        detail = "what the platform published itself can be redriven or purged, not edited"
        raise Refused("Forbidden", status=403, detail=detail)
    event = _edited(letter, body)
    if tenant is not None:
        _no_type_of_ours(event)
    if len(event) > backends.max_bytes:
        raise Refused("Event too large", status=413, detail=f"at most {backends.max_bytes} bytes")
    backends.letters.edit(letter, event)
    log.info("dead_letter_edited", letter=letter.id)
    return Edited(id=letter.id)


@resource.route("POST", "/api/v1/dead-letters/{id}/redrive", scope=WRITE_DEAD_LETTERS)
def redrive_dead_letter(backends: Backends, tenant: str | None, *, id_: str) -> Redriven:
    """Put one dead letter back into its channel, as if it had never been tried."""
    letter = backends.letters.get(id_, tenant)
    if letter.event() is None:
        raise Refused("Unreadable", status=409, detail="this letter's event cannot be read, only purged")
    if not backends.letters.redrive([letter], backends.nonce):
        raise deadletter.changed()
    log.info("dead_letter_redriven", letter=letter.id)
    return Redriven(redriven=1)


@resource.route("POST", "/api/v1/dead-letters/redrive", scope=WRITE_DEAD_LETTERS)
def redrive_dead_letters(backends: Backends, tenant: str | None, *, body: Selection) -> RedrivenSome:
    """Put the selected dead letters back into their channels, the oldest first: as many as one call may.

    Continue with `cursor` until `next_cursor` is null, and set `to`, so that letters that fail again meanwhile are
    not redriven again.
    """
    moved = backends.letters.redrive_wanted(_wanted(tenant, body), backends.nonce, after=body.cursor)
    return RedrivenSome(redriven=moved.count, **_rest("redriven", moved))


@resource.route("DELETE", "/api/v1/dead-letters/{id}", scope=WRITE_DEAD_LETTERS)
def purge_dead_letter(backends: Backends, tenant: str | None, *, id_: str) -> Purged:
    """Delete one dead letter for good."""
    letter = backends.letters.get(id_, tenant)
    if not backends.letters.purge([letter]):
        raise deadletter.changed()
    log.info("dead_letter_purged", letter=letter.id)
    return Purged(purged=1)


@resource.route("POST", "/api/v1/dead-letters/purge", scope=WRITE_DEAD_LETTERS)
def purge_dead_letters(backends: Backends, tenant: str | None, *, body: Selection) -> PurgedSome:
    """Delete the selected dead letters for good: as many as one call may.

    A `POST`, because a filter that gets lost on its way must not mean all of them.
    """
    moved = backends.letters.purge_wanted(_wanted(tenant, body), after=body.cursor)
    return PurgedSome(purged=moved.count, **_rest("purged", moved))


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


def _edited(letter: Letter, edit: Edit) -> bytes:
    """Return the event that an edit makes of a letter's."""
    if "event" in edit.model_fields_set:
        return _whole(letter, edit.event)
    return deadletter.with_data(letter, edit.data)


def _whole(letter: Letter, given: Mapping[str, Any]) -> bytes:
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


def _rest(done: str, moved: Moved) -> dict[str, Any]:
    log.info(f"dead_letters_{done}", count=moved.count, remaining=moved.remaining)
    return {"skipped": moved.skipped, "remaining": moved.remaining, "next_cursor": moved.next}
