"""Signals: what each event meant."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BeforeValidator, Field

from functions.adapters.postgres.pages import LOOKED_AT, Place, Rank
from functions.adapters.postgres.signal_lists import SignalQuery
from functions.api import examples
from functions.api.backends import Backends
from functions.api.paging import NextCursor, Pagination, Paging
from functions.api.parameters import Filters, missing
from functions.api.routes import Resource
from functions.api.shown import Id, Json, Shown, Time
from functions.domain.search import FILTERS
from functions.domain.standing import Standing

#: The wire's names beside those of the columns.
_COLUMNS = {"processedAt": "processed_at", "signalScore": "signal_score"}
_Order = Literal["timestamp", "processedAt", "signalScore", "points", "processed_at", "signal_score"]


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
    standing: Annotated[Standing, Field(description="Whether it counts towards the account's score.")]
    left_out: Annotated[list[str], Field(description="Why it does not count, if it does not.")]


class Signal(SignalRow):
    """A signal and its event."""

    event: Annotated[Json | None, Field(description="As it was sent. Null where an older version kept none.")]


class SignalDetail(Signal):
    """A signal and where its event came from."""

    source: str
    source_id: Annotated[str, Field(description="The sender's id of the event.")]
    received_at: Time


class SignalPage(Shown):
    """One page of signals. It may hold fewer than its limit, even none: the end is where `next_cursor` is null."""

    data: list[Signal]
    pagination: Pagination
    next_cursor: NextCursor


class SignalStatistics(Shown):
    """Signals, counted in several ways."""

    total_signals: int
    unique_accounts: int
    unique_users: int
    avg_signal_score: Annotated[float | None, Field(description="Null where there are none.")]
    signals_by_type: Annotated[dict[str, int], Field(description="Signal type -> signals.")]
    signals_by_event: Annotated[dict[str, int], Field(description="Event type -> signals.")]
    signals_by_day: Annotated[dict[str, int], Field(description="Day in UTC -> signals, the first day first.")]
    total_is: Annotated[
        Literal["exact", "at least"], Field(description=f"`at least`: of the newest {LOOKED_AT:,} signals alone.")
    ]


class SignalList(Filters, Paging):
    """Which signals, in which order."""

    sortBy: Annotated[  # noqa: N815 - the wire's name
        Literal["timestamp", "processed_at", "signal_score", "points"],
        BeforeValidator(lambda name: _COLUMNS.get(name, name), json_schema_input_type=_Order),
    ] = "timestamp"
    sortOrder: Annotated[Literal["asc", "desc"], BeforeValidator(str.lower)] = "desc"  # noqa: N815 - the wire's name


resource = Resource("signals", "What each event meant.")


@resource.route("GET", "/api/v1/signals", example=examples.SIGNALS)
def list_signals(backends: Backends, tenant: str, *, query: SignalList) -> SignalPage:
    """List signals, the newest first."""
    page = query.rows(tenant, Place if query.sortBy == "timestamp" else Rank)
    asked = replace(_asked(backends, tenant, query), sort=query.sortBy, descending=query.sortOrder == "desc")
    listed = backends.reader.signals(asked, page)
    return SignalPage(
        data=[Signal(**row) for row in listed.rows],
        **query.standing(tenant, page, listed),
    )


@resource.route("GET", "/api/v1/signals/stats", example=examples.SIGNAL_STATISTICS)
def signal_statistics(backends: Backends, tenant: str, *, query: Filters) -> SignalStatistics:
    """Count signals in several ways."""
    found, exact = backends.reader.statistics(_asked(backends, tenant, query))
    return SignalStatistics(
        total_signals=found["total"],
        unique_accounts=found["accounts"],
        unique_users=found["users"],
        avg_signal_score=found["signal_score"],
        signals_by_type=found["by_signal_type"] or {},
        signals_by_event=found["by_event_type"] or {},
        signals_by_day=found["by_day"] or {},
        total_is="exact" if exact else "at least",
    )


def _asked(backends: Backends, tenant: str, query: Filters) -> SignalQuery:
    filters = backends.reader.resolved(tenant, {column: getattr(query, name) for name, column in FILTERS.items()})
    return SignalQuery(tenant_id=tenant, filters=filters, since=query.since, until=query.until)


@resource.route("GET", "/api/v1/signals/{id}", example=examples.SIGNAL)
def get_signal(backends: Backends, tenant: str, *, id_: UUID) -> SignalDetail:
    """Return one signal with its reasons and its event."""
    signal = backends.reader.signal(tenant, id_)
    if signal is None:
        raise missing("signal")
    return SignalDetail(**signal)
