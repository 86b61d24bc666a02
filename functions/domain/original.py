"""The original of a signal: its event as the sender sent it, stored without repeating the signal's own columns."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from pydantic_core import from_json

from functions.domain.sales import SalesEvent
from functions.domain.signal import instant

#: Attributes that every event has and columns of a signal repeat: they are left out, the type unless it is an alias.
_LEFT_OUT: Mapping[str, str] = {"id": "source_id", "source": "source", "type": "event_type"}
#: Members of ``data`` that columns of a signal repeat.
_REPEATED: Mapping[str, str] = {"accountId": "account_id", "contactId": "contact_id", "userId": "user_id"}
_VERSION = {"specversion": "1.0"}
#: Stored for a text that a column repeats and that may be absent. Neither a time nor a name can be empty.
_AS_COLUMN = ""


def stored(event: SalesEvent) -> dict[str, Any]:
    """Return what is stored of an event beside its signal's columns; :func:`whole` is the way back."""
    kept = dict(event.sent)
    del kept["specversion"], kept["id"], kept["source"]
    if kept["type"] == event.kind.type:
        del kept["type"]
    if "time" in kept and kept["time"] == instant(event.occurred_at):
        kept["time"] = _AS_COLUMN
    if said := kept.get("data"):
        kept["data"] = said = dict(said)
        for name, column in _REPEATED.items():
            if name in said and said[name] is not None and said[name] == getattr(event, column):
                said[name] = _AS_COLUMN
    return kept


def whole(signal: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the event of a stored signal as its sender sent it.

    Args:
        signal: a row of the table, its moments as ``datetime``.

    Returns:
        None where a version that did not keep the event has stored the signal.
    """
    if signal["event"] is None:
        return None
    event = {**_VERSION, **{name: signal[column] for name, column in _LEFT_OUT.items()}, **signal["event"]}
    if event.get("time") == _AS_COLUMN:
        event["time"] = instant(signal["timestamp"])
    if said := event.get("data"):
        event["data"] = {
            name: _column(signal, name) if name in _REPEATED and value == _AS_COLUMN else value
            for name, value in said.items()
        }
    return event


def _column(signal: Mapping[str, Any], name: str) -> Any:
    """Return what a column repeats of the data. Where another account counts for it, that is the one that was sent."""
    sent = signal.get("sent_account") if name == "accountId" else None
    return sent or signal[_REPEATED[name]]


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
