"""The search document of a signal, made from what is recorded of it and of its event."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from functions.domain import original
from functions.domain.search import MAX_TEXT, SignalDocument, words
from functions.ports import RecordedSignal

#: The parts of a row that people look for first; a text that is too long is cut behind them.
_NAMES = ("account_id", "contact_id", "user_id", "event_type", "signal_type")
#: Members of ``data`` whose values the row has.
_IN_ROW = frozenset({"accountId", "contactId", "userId", "metadata"})
#: Attributes that nobody looks for, because every event has them or has one of its own; and what is no attribute.
_UNSOUGHT = frozenset(
    {"specversion", "id", "source", "type", "time", "datacontenttype", "traceparent", "tracestate"}
    | {"data", "data_base64"}
)


def document(signal: RecordedSignal) -> SignalDocument:
    """Return the document that ``signal`` is found by."""
    row, event = signal.row, signal.event or {}
    texts = chain(
        (row[name] for name in _NAMES if row[name]),
        _leaves(row["metadata"]),
        _leaves({name: value for name, value in original.data(event).items() if name not in _IN_ROW}),
        (str(value) for name, value in event.items() if name not in _UNSOUGHT),
    )
    return SignalDocument(
        tenant_id=signal.tenant_id, id=row["id"], timestamp=signal.timestamp, row=row, text=_normalised(texts)
    )


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
