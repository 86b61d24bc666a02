"""The event of a dead letter: how it is shown, what editing may change, how it is written when it is redriven."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_core import from_json, to_json

from events import cloudevent, size
from events.cloudevent import RESERVED_PREFIX, CloudEvent
from events.deadletter import Letter
from events.errors import Fault, Refused
from functions.domain.moment import of_unix_ms
from functions.domain.sales import RECEIVED
from functions.domain.signal import instant

#: Stamped on a redriven event, each time anew, so that a function that remembers deliveries tells it from the one
#: that failed. The event keeps its id, so that what was done before is not done twice.
REDRIVEN = RESERVED_PREFIX + "redrive"
#: Stamped by the dispatcher on dead letters (Knative's delivery contract).
ERROR_PREFIX = "knativeerror"


def in_short(letter: Letter) -> dict[str, Any]:
    """Return what a dead letter is about and why it is one, without its event's data, in JSON types."""
    event = letter.event()
    return {
        "id": letter.id,
        "channel": letter.place.channel,
        "tenant": letter.tenant,
        "type": event and event.type,
        "source": event and event.source,
        "source_id": event and event.id,
        "event_id": event and _event_id(letter, event),
        "reason": letter.reason,
        "status": letter.status,
        "attempts": letter.attempts,
        "first_at": _moment(letter.first_ms),
        "last_at": _moment(letter.last_ms),
        "edited": letter.edited,
    }


def in_full(letter: Letter) -> dict[str, Any]:
    """Return :func:`in_short` with the whole event, or with the text of one that cannot be read."""
    text = letter.raw.decode("utf-8", "replace")
    return {**in_short(letter), "event": text if letter.event() is None else from_json(letter.raw)}


def of_event(letter: Letter) -> dict[str, Any]:
    """Return what is shown of an event that is a dead letter: what it is, its attempts and why it failed."""
    event, shown = readable(letter), in_short(letter)
    return {
        "source": event.source,
        "source_id": event.id,
        "received_at": event.extension(RECEIVED),
        "attempts": letter.attempts,
        "dead_letter": {name: shown[name] for name in ("id", "reason", "status", "first_at", "last_at")},
    }


def readable(letter: Letter) -> CloudEvent:
    """Return the event of a dead letter.

    Raises:
        Refused: 409, it cannot be read.
    """
    event = letter.event()
    if event is None:
        raise Refused("Unreadable", status=409, detail=f"{letter.id}: its event cannot be read, only purged")
    return event


def republished(letter: Letter, nonce: str) -> bytes:
    """Write the event as it is published again: without Knative's error attributes, with a nonce.

    It is parsed and written anew. Its content stays the same for :func:`events.content.content_hash`; white space and
    the way numbers are written may not.
    """
    members: dict[str, Any] = from_json(letter.raw)
    kept = {name: value for name, value in members.items() if not name.startswith(ERROR_PREFIX)}
    return _written({**kept, REDRIVEN: nonce})


def with_data(letter: Letter, data: object) -> bytes:
    """Write the event with other data.

    Raises:
        Refused: 409, the event cannot be read; 400 or 422, it is no event with this data.
    """
    readable(letter)
    size.check(to_json(data), inside="/data")
    members: dict[str, Any] = from_json(letter.raw)
    members.pop("data_base64", None)
    return cloudevent.parse(_written({**members, "data": data})).raw


def with_event(letter: Letter, given: Mapping[str, object]) -> bytes:
    """Write another event with the identity and the stamps of the one that it replaces.

    Args:
        given: the new event. Identity and stamps may be left out, or be in it as they are.
    Raises:
        Refused: 409, the event cannot be read; 422, ``given`` has another identity; 400, it is no event.
    """
    before = readable(letter).model_dump()
    stays = {name: value for name, value in before.items() if _stays(name)}
    wrong = [name for name, value in given.items() if _stays(name) and (name not in stays or stays[name] != value)]
    if wrong:
        faults = tuple(Fault(cloudevent.pointer([name]), "must stay as it is") for name in wrong)
        raise Refused("Unacceptable event", status=422, faults=faults)
    raw = _written({**given, **stays})
    size.check(raw)
    return cloudevent.parse(raw).raw


def _stays(name: str) -> bool:
    """Return whether an attribute says whose and which event it is, or what has happened to it."""
    return name in {"id", "source"} or name.startswith((RESERVED_PREFIX, ERROR_PREFIX))


def _written(members: Mapping[str, object]) -> bytes:
    """Write an event with its stamps last: see :func:`events.cloudevent.tenant_of`."""
    return to_json(dict(sorted(members.items(), key=lambda member: member[0].startswith(RESERVED_PREFIX))))


def _event_id(letter: Letter, event: CloudEvent) -> str:
    """Return the id that the API knows the event by; an event of the platform's own has that id itself."""
    if letter.place.channel != "events":
        return event.id
    return cloudevent.event_id(letter.tenant, event.source, event.id)


def _moment(ms: int) -> str:
    return instant(of_unix_ms(ms))
