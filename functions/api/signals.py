"""Signals: what each event meant."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BeforeValidator, Field

from functions.api import examples
from functions.api.backends import Backends
from functions.api.paging import Pagination, Paging
from functions.api.parameters import Filters, missing
from functions.api.routes import Resource
from functions.api.shown import Id, Json, Shown, Time
from functions.domain.search import FILTERS

#: The wire's names beside those of the columns.
_COLUMNS = {"processedAt": "processed_at", "signalScore": "signal_score"}


class SignalRow(Shown):
    """A signal without its event."""

    id: Annotated[Id, Field(description="The id of its event.")]
    account_id: str
    user_id: str | None
    contact_id: str | None
    event_type: str
    signal_type: str
    signal_score: Annotated[float, Field(ge=0, le=1)]
    points: Annotated[int, Field(description="Towards the account's score, when the event happened.")]
    timestamp: Annotated[Time, Field(description="When the event happened.")]
    processed_at: Time
    metadata: Json
    reasons: Annotated[list[str], Field(description="Why the signal score is what it is.")]


class Signal(SignalRow):
    """A signal and its event."""

    event: Annotated[Json | None, Field(description="As it was sent. Null where an older version kept none.")]


class SignalDetail(Signal):
    """A signal and where its event came from."""

    source: str
    source_id: Annotated[str, Field(description="The sender's id of the event.")]
    received_at: Time


class SignalPage(Shown):
    """One page of signals."""

    data: list[Signal]
    pagination: Pagination


class SignalList(Filters, Paging):
    """Which signals, in which order."""

    sortBy: Annotated[  # noqa: N815 - the wire's name
        Literal["timestamp", "processed_at", "signal_score", "points"],
        BeforeValidator(lambda name: _COLUMNS.get(name, name)),
    ] = "timestamp"
    sortOrder: Annotated[Literal["asc", "desc"], BeforeValidator(str.lower)] = "desc"  # noqa: N815 - the wire's name


resource = Resource("signals", "What each event meant.")


@resource.route("GET", "/api/v1/signals", example=examples.SIGNALS)
def list_signals(backends: Backends, tenant: str, *, query: SignalList) -> SignalPage:
    """List signals, the newest first."""
    filters = {column: getattr(query, name) for name, column in FILTERS.items()}
    rows, total = backends.reader.signals(
        tenant,
        {**filters, "since": query.since, "until": query.until},
        query.rows,
        sort=query.sortBy,
        direction=query.sortOrder,
    )
    return SignalPage(data=[Signal(**row) for row in rows], pagination=Pagination.of(query.rows, total))


@resource.route("GET", "/api/v1/signals/{id}", example=examples.SIGNAL)
def get_signal(backends: Backends, tenant: str, *, id_: UUID) -> SignalDetail:
    """Return one signal with its reasons and its event."""
    signal = backends.reader.signal(tenant, id_)
    if signal is None:
        raise missing("signal")
    return SignalDetail(**signal)
