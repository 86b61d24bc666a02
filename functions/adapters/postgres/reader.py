"""What the API reads, as the role that row-level security keeps inside one tenant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from functions.adapters.postgres import account_lists
from functions.adapters.postgres.account_lists import EVERYTHING, Choice
from functions.adapters.postgres.account_sums import sums_at
from functions.adapters.postgres.database import Database, Row
from functions.domain import original
from functions.domain.catalog import Side
from functions.domain.explain import TREND_SPAN, Explanation, explained
from functions.domain.signal import instant

#: What signals may be sorted by -> the column.
SORTS: Mapping[str, str] = {
    "timestamp": '"timestamp"',
    "processed_at": "processed_at",
    "signal_score": "signal_score",
    "points": "points",
}
_DIRECTIONS: Mapping[str, str] = {"asc": "ASC", "desc": "DESC"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Which rows of a list: ``number`` from 1, ``limit`` rows each."""

    number: int
    limit: int

    @property
    def parameters(self) -> dict[str, int]:
        """As the statements want it."""
        return {"limit": self.limit, "offset": (self.number - 1) * self.limit}


class Reader:
    """Questions of one tenant, each in a transaction of its own.

    Every method raises :class:`events.errors.Unavailable` when PostgreSQL cannot be reached.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def signals(
        self, tenant_id: str, filters: Mapping[str, object], page: Page, *, sort: str, direction: str
    ) -> tuple[list[dict[str, Any]], int]:
        """Give one page of signals and how many there are on all."""
        way = _DIRECTIONS[direction]
        with self._database.transaction(tenant=tenant_id) as tx:
            rows = tx.ordered_rows(
                "list_signals",
                f"{SORTS[sort]} {way}, id {way}",
                tenant_id=tenant_id,
                **filters,
                **page.parameters,
            )
            total = tx.rows("count_signals", tenant_id=tenant_id, **filters)[0]["total"]
        return [_without(_signal(row), "source", "source_id") for row in rows], int(total)

    def signal(self, tenant_id: str, id_: UUID) -> dict[str, Any] | None:
        """Return one signal with its event's ``source``, ``source_id`` and ``received_at``, or None."""
        with self._database.transaction(tenant=tenant_id) as tx:
            row = tx.row("get_signal", tenant_id=tenant_id, id=str(id_))
        return _signal(row) if row else None

    def accounts(
        self, tenant_id: str, at: datetime, page: Page, choice: Choice = EVERYTHING
    ) -> tuple[list[dict[str, Any]], int]:
        """Return one page of accounts, those with the most points at ``at`` first, and how many there are on all."""
        with self._database.transaction(tenant=tenant_id) as tx:
            rows, total, _ = account_lists.page(tx, tenant_id, at, (page.number - 1) * page.limit, page.limit, choice)
        return rows, total

    def explained(self, tenant_id: str, account_id: str, at: datetime) -> dict[Side, Explanation] | None:
        """Return both scores of an account at ``at`` with what they are made of, or None for an unknown one."""
        with self._database.transaction(tenant=tenant_id) as tx:
            sums, week_ago = (sums_at(tx, tenant_id, account_id, then) for then in (at, at - TREND_SPAN))
        if sums is None or week_ago is None:
            return None
        sides: tuple[Side, Side] = ("buyer", "rep")
        return {side: explained(sums, week_ago, side, at) for side in sides}

    def notices(self, tenant_id: str, page: Page, *, event_id: UUID | None = None) -> tuple[list[dict[str, Any]], int]:
        """Give one page of notices, the newest first, with their deliveries; of one event where that is given."""
        asked = {"tenant_id": tenant_id, "event_id": str(event_id) if event_id else None}
        with self._database.transaction(tenant=tenant_id) as tx:
            rows = tx.rows("list_notices", **asked, **page.parameters)
            total = tx.rows("count_notices", **asked)[0]["total"]
        return [_notice(row) for row in rows], int(total)

    def ping(self) -> None:
        """Raise :class:`Unavailable` unless the database answers."""
        self._database.ping()


def _signal(row: Row) -> dict[str, Any]:
    """Turn a stored signal into JSON types, with its event as it was sent."""
    return {**_plain(row), "metadata": original.metadata(row), "event": original.whole(row)}


def _notice(row: Row) -> dict[str, Any]:
    """Turn a stored notice into JSON types, its deliveries' moments in the form of all others."""
    deliveries = [{**one, "at": instant(datetime.fromisoformat(one["at"]))} for one in row["deliveries"]]
    return {**_plain(row), "deliveries": deliveries}


def _without(row: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


def _plain(row: Row) -> dict[str, Any]:
    """Turn a row into JSON types: moments as RFC 3339, decimals as numbers, ids as text."""
    return {name: _AS_JSON[type(value)](value) if type(value) in _AS_JSON else value for name, value in row.items()}


_AS_JSON: Mapping[type, Callable[[Any], Any]] = {datetime: instant, Decimal: float, UUID: str}
