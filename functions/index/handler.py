"""Signals to search documents: one batch, one bulk request, fixed ids."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from events import cloudevent
from events.answer import Result
from events.cloudevent import CloudEvent
from events.errors import Refused
from events.failpoint import reach
from functions.domain.sales import TENANT
from functions.domain.search import SignalDocument, words
from functions.ports import SearchIndex
from functions.web.batch import refusal


class _Row(BaseModel):
    """The parts of a signal's row that its document is built from."""

    model_config = ConfigDict(extra="allow")

    id: str
    timestamp: datetime
    account_id: str
    event_type: str
    signal_type: str
    user_id: str | None = None
    contact_id: str | None = None
    metadata: dict[str, Any] = {}


def index(events: Sequence[CloudEvent], search: SearchIndex) -> list[Result]:
    """Index a batch.

    Raises:
        Unavailable: some may be indexed; the same batch again makes it whole.
    """
    read = [_document(event) for event in events]
    search.put([document for document in read if isinstance(document, SignalDocument)])
    reach("index.written")
    return [Result(status=200) if isinstance(document, SignalDocument) else refusal(document) for document in read]


def _document(event: CloudEvent) -> SignalDocument | Refused:
    tenant = event.extension(TENANT)
    if tenant is None or not isinstance(event.data, dict):
        return Refused("Not a recorded signal", status=422)
    try:
        row = _Row.model_validate(event.data)
    except ValidationError as exc:
        return Refused("Not a recorded signal", status=422, faults=tuple(cloudevent.faults(exc.errors())))
    return SignalDocument(
        tenant_id=tenant, id=row.id, timestamp=row.timestamp, row=event.data, text=" ".join(_searchable(row))
    )


def _searchable(row: _Row) -> list[str]:
    """The words a person would look for: who, what, and what the sender noted."""
    texts = [
        row.account_id,
        row.contact_id,
        row.user_id,
        row.event_type,
        row.signal_type,
        *_leaves(row.metadata),
    ]
    return [word for text in texts if text for word in words(text)]


def _leaves(value: object) -> list[str]:
    """Every name and value in nested metadata, as text."""
    if isinstance(value, dict):
        return [text for key, item in value.items() for text in (str(key), *_leaves(item))]
    if isinstance(value, list):
        return [text for item in value for text in _leaves(item)]
    return [] if value is None else [str(value)]
