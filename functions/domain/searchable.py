"""The text that a signal is found by, made from the signal and its event. A recorded signal has the same text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from functions.domain import original
from functions.domain.signal import Signal
from functions.domain.words import MAX_TEXT, hashes, terms, words

#: The columns that people search first: a text that is too long is cut behind them.
_NAMES = ("account_id", "contact_id", "user_id", "event_type", "signal_type")
#: Members of ``data`` whose values the row has.
_IN_ROW = frozenset({"accountId", "contactId", "userId", "metadata"})
#: Attributes that nobody looks for, because every event has them or has one of its own; and what is no attribute.
_UNSOUGHT = frozenset(
    {"specversion", "id", "source", "type", "time", "datacontenttype", "traceparent", "tracestate"}
    | {"data", "data_base64"}
)


def text(row: Mapping[str, Any], event: Mapping[str, Any] | None) -> str:
    """Return the words that a signal is found by, in the order of its event.

    Args:
        row: what :data:`_NAMES` names, and the event's metadata.
        event: as it was sent; None where an earlier version did not keep it.
    """
    event = event or {}
    return _normalised(
        chain(
            (row[name] for name in _NAMES if row[name]),
            _leaves(row["metadata"]),
            _leaves({name: value for name, value in original.data(event).items() if name not in _IN_ROW}),
            (str(value) for name, value in event.items() if name not in _UNSOUGHT),
        )
    )


def hashed(signal: Signal) -> list[int]:
    """Return the hashes of the terms that a signal is found by."""
    event = signal.event
    row = {
        "account_id": event.account_id,
        "contact_id": event.contact_id,
        "user_id": event.user_id,
        "event_type": event.kind.type,
        "signal_type": event.kind.signal,
        "metadata": event.metadata,
    }
    return hashes(event.tenant_id, terms(text(row, event.sent)))


def _leaves(value: object) -> Iterator[str]:
    """Yield every name and value in nested JSON, as text."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield name
            yield from _leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    elif value is not None:
        yield str(value)


def _normalised(texts: Iterable[str]) -> str:
    """Join the words of ``texts``, as far as they are indexed."""
    taken, length = [], 0
    for text in texts:
        taken.append(text)
        length += len(text) + 1
        if length > MAX_TEXT:
            break
    return " ".join(words("\n".join(taken)))
