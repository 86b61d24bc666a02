"""The API's dead letters: the HTTP face of :mod:`functions.service.dead_letters`."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from events.deadletter import Letter, changed
from events.errors import Fault, Refused
from functions.api import examples_dead_letters as examples
from functions.api.backends import Backends
from functions.api.paging import Cursor, Limit, NextCursor, read_cursor, write_cursor
from functions.api.parameters import Moment, Question
from functions.api.routes import Resource
from functions.api.shown import Json, Shown, Time
from functions.domain.key import READ_DEAD_LETTERS, WRITE_DEAD_LETTERS
from functions.service import dead_letter_event, dead_letters, selection
from functions.service.dead_letter_event import in_full, in_short
from functions.service.dead_letters import Moved
from functions.service.principal import Principal


class Selection(selection.Selection):
    """Which dead letters. With nothing named, all of them."""

    since: Annotated[Moment | None, Field(alias="from")] = None
    until: Annotated[Moment | None, Field(alias="to")] = None
    cursor: Cursor = None

    def after(self, by: Principal) -> str | None:
        """Return where an earlier page or call ended."""
        return None if self.cursor is None else read_cursor(self.cursor, self, by.tenant, str)

    def going_on(self, by: Principal, after: str | None) -> str | None:
        """Return the cursor of the page or call that goes on ``after``."""
        return None if after is None else write_cursor(self, by.tenant, after)


class Listing(Selection):
    """Which dead letters, and how many at once."""

    limit: Limit = 20


class Edit(Question):
    """Other data for the event, or another event."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["data"]}, {"required": ["event"]}]})

    data: Any = None
    event: Annotated[dict[str, Any], Field(default_factory=dict)]

    @model_validator(mode="after")
    def _one_of_them(self) -> Edit:
        if len(self.model_fields_set) != 1:
            raise PydanticCustomError("edit", "takes either data or event")
        return self

    def written(self, letter: Letter) -> bytes:
        """Write the event that ``letter`` gets; pointers lead into the body."""
        if "event" not in self.model_fields_set:
            return dead_letter_event.with_data(letter, self.data)
        try:
            return dead_letter_event.with_event(letter, self.event)
        except Refused as exc:
            exc.faults = tuple(Fault("/event" + fault.pointer, fault.detail) for fault in exc.faults)
            raise


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
    next_cursor: NextCursor


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


resource = Resource("dead-letters", "Events that no function could take.", scope=READ_DEAD_LETTERS, operator=True)


@resource.route("GET", "/api/v1/dead-letters", example=examples.DEAD_LETTERS)
def list_dead_letters(backends: Backends, by: Principal, *, query: Listing) -> DeadLetterPage:
    """List dead letters, the latest first."""
    page = dead_letters.page(backends.letters, by, query, after=query.after(by), limit=query.limit)
    shown = [DeadLetter(**in_short(letter)) for letter in page.letters]
    return DeadLetterPage(data=shown, next_cursor=query.going_on(by, page.next))


def of_event(backends: Backends, by: Principal, event_id: UUID) -> dict[str, Any] | None:
    """Return what is shown of an event that is a dead letter; None where it is none."""
    letter = dead_letters.of_event(backends.letters, by, event_id)
    if letter is None or letter.event() is None:
        return None
    shown = dead_letter_event.of_event(letter)
    return {**shown, "dead_letter": Burial(**shown["dead_letter"])}


@resource.route("GET", "/api/v1/dead-letters/{id}", example=examples.DEAD_LETTER)
def get_dead_letter(backends: Backends, by: Principal, *, id_: str) -> WholeDeadLetter:
    """Return one dead letter with its whole event."""
    shown = in_full(dead_letters.found(backends.letters, by, id_))
    if not by.operator and isinstance(shown["event"], dict):
        shown["event"].pop("knativeerrordest", None)  # an address of ours, for the operator alone
    return WholeDeadLetter(**shown)


@resource.route(
    "PATCH", "/api/v1/dead-letters/{id}", example=examples.EDIT, refuses={409, 422}, scope=WRITE_DEAD_LETTERS
)
def edit_dead_letter(backends: Backends, by: Principal, *, id_: str, body: Edit) -> Edited:
    """Replace the data of a dead letter's event, or the event. Answers no content: the key may lack the right to read.

    `id`, `source`, `sspp...` and `knativeerror...` cannot be changed. A tenant edits its own events (channel
    `events`), not what the platform made of them.
    """
    dead_letters.edit(backends.letters, by, id_, body.written, max_bytes=backends.max_bytes)
    return Edited(id=id_)


@resource.route(
    "POST", "/api/v1/dead-letters/{id}/redrive", example=examples.REDRIVE, refuses={409}, scope=WRITE_DEAD_LETTERS
)
def redrive_dead_letter(backends: Backends, by: Principal, *, id_: str) -> Redriven:
    """Put one dead letter back into its channel, as if it had never been tried."""
    return Redriven(redriven=_one(dead_letters.redrive(backends.letters, by, [id_], backends.nonce)))


@resource.route("POST", "/api/v1/dead-letters/redrive", example=examples.REDRIVE_SELECTED, scope=WRITE_DEAD_LETTERS)
def redrive_dead_letters(backends: Backends, by: Principal, *, body: Selection) -> RedrivenSome:
    """Put the selected dead letters back into their channels, the oldest first: as many as one call may.

    Continue with `cursor` until `next_cursor` is null, and set `to`, so that letters that fail again meanwhile are
    not redriven again.
    """
    moved = dead_letters.redrive_selected(backends.letters, by, body, backends.nonce, after=body.after(by))
    return RedrivenSome(redriven=moved.count, **_rest(moved, body.going_on(by, moved.next)))


@resource.route("DELETE", "/api/v1/dead-letters/{id}", example=examples.PURGE, refuses={409}, scope=WRITE_DEAD_LETTERS)
def purge_dead_letter(backends: Backends, by: Principal, *, id_: str) -> Purged:
    """Delete one dead letter for good."""
    return Purged(purged=_one(dead_letters.purge(backends.letters, by, [id_])))


@resource.route("POST", "/api/v1/dead-letters/purge", example=examples.PURGE_SELECTED, scope=WRITE_DEAD_LETTERS)
def purge_dead_letters(backends: Backends, by: Principal, *, body: Selection) -> PurgedSome:
    """Delete the selected dead letters for good: as many as one call may.

    A `POST`, because a filter that gets lost on its way must not mean all of them.
    """
    moved = dead_letters.purge_selected(backends.letters, by, body, after=body.after(by))
    return PurgedSome(purged=moved.count, **_rest(moved, body.going_on(by, moved.next)))


def _one(moved: int) -> int:
    """Return 1. Raise Refused (409) where the one dead letter was not moved."""
    if not moved:
        raise changed()
    return moved


def _rest(moved: Moved, next_cursor: str | None) -> dict[str, Any]:
    return {"skipped": moved.skipped, "remaining": moved.remaining, "next_cursor": next_cursor}
