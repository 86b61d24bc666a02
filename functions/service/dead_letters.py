"""Dead letters as people ask for them and see them, in the API and on the command line."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic_core import from_json

from events import cloudevent
from events.deadletter import Letter
from functions.domain.catalog import EVENT_TYPES
from functions.domain.signal import instant

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def names_of(event_type: str) -> Collection[str]:
    """Every name of an event type: senders may have used its alias."""
    kind = EVENT_TYPES.get(event_type)
    return {kind.type, kind.alias} if kind else {event_type}


def unix_ms(moment: datetime) -> int:
    """The first Unix ms that is not before ``moment``."""
    return -((_EPOCH - moment) // timedelta(milliseconds=1))


def in_short(letter: Letter) -> dict[str, Any]:
    """What a letter is about and why it is here, without what its event carries, in JSON types."""
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
    """The same with the whole event; one that cannot be read is the text of it."""
    text = letter.raw.decode("utf-8", "replace")
    return {**in_short(letter), "event": text if letter.event() is None else from_json(letter.raw)}


def _event_id(letter: Letter, event: cloudevent.CloudEvent) -> str:
    """The id that the API knows the event by; what the platform publishes has that id itself."""
    if letter.place.channel != "events":
        return event.id
    return cloudevent.event_id(letter.tenant, event.source, event.id)


def _moment(ms: int) -> str:
    return instant(_EPOCH + timedelta(milliseconds=ms))
