"""The original of a signal: its event as the sender sent it, stored without what the signal's own columns say."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from pydantic_core import from_json

from functions.domain.sales import SalesEvent

#: Attribute -> the column of a signal that says the same.
_COLUMNS: Mapping[str, str] = {"id": "source_id", "source": "source", "type": "event_type"}
_VERSION = {"specversion": "1.0"}


def stored(event: SalesEvent) -> dict[str, Any]:
    """Return what is stored of an event beside its signal's columns; :func:`whole` is the way back."""
    said = {**_VERSION, "id": event.source_id, "source": event.source, "type": event.kind.type}
    return {name: value for name, value in event.sent.items() if name not in said or said[name] != value}


def whole(signal: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the event of a stored signal as its sender sent it.

    Returns:
        None where a version that did not keep the event has stored the signal.
    """
    if signal["event"] is None:
        return None
    columns = {name: signal[column] for name, column in _COLUMNS.items()}
    return {**_VERSION, **columns, **signal["event"]}


def metadata(signal: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata of a stored signal: of its event, or of its own column where the event was not kept."""
    noted: dict[str, Any] | None = signal["metadata"]
    if noted is None:
        noted = data(signal["event"]).get("metadata", {})
    return noted or {}


def data(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data of an event that became a signal, in whichever form it was sent."""
    if encoded := event.get("data_base64"):
        decoded: dict[str, Any] = from_json(b64decode(encoded))
        return decoded or {}
    return event.get("data") or {}
