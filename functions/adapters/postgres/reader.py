"""What the API reads, as the role that row-level security keeps inside one tenant."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from functions.adapters.postgres.database import Database, Row, Transaction
from functions.adapters.postgres.notice_store import contributions
from functions.domain import original, score
from functions.domain.catalog import Side
from functions.domain.explain import Explanation
from functions.domain.score import Slot
from functions.domain.signal import instant

#: What signals may be sorted by -> the column.
SORTS: Mapping[str, str] = {
    "timestamp": '"timestamp"',
    "processed_at": "processed_at",
    "signal_score": "signal_score",
    "points": "points",
}
_DIRECTIONS: Mapping[str, str] = {"asc": "ASC", "desc": "DESC"}

#: What a score is compared with to tell its trend.
TREND_SPAN = timedelta(days=7)


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

    def accounts(self, tenant_id: str, at: datetime, page: Page) -> tuple[list[dict[str, Any]], int]:
        """Give one page of accounts, the most engaged at ``at`` first, and how many there are."""
        with self._database.transaction(tenant=tenant_id) as tx:
            rows = tx.rows(
                "rank_accounts",
                tenant_id=tenant_id,
                at=at,
                landmark=score.LANDMARK,
                era_half_lives=score.ERA_HALF_LIVES,
                fraction_bits=score.FRACTION_BITS,
                **page.parameters,
            )
            total = tx.rows("count_accounts", tenant_id=tenant_id)[0]["total"]
        ranked = [
            {
                "account_id": row["account_id"],
                "engagement": (engagement := score.shown(float(row["buyer_points"]))),
                "effort": score.shown(float(row["rep_points"])),
                "band": score.band(engagement),
            }
            for row in rows
        ]
        return ranked, int(total)

    def explained(
        self, tenant_id: str, account_id: str, at: datetime, *, past: bool = False
    ) -> dict[Side, Explanation] | None:
        """Give both scores of an account at ``at`` with what they are made of, or None for an unknown one.

        Args:
            past: more may have happened since. The sums hold that as well, so the score is what the signals until
                then amount to.
        """
        with self._database.transaction(tenant=tenant_id) as tx:
            account = tx.row("get_account", tenant_id=tenant_id, account_id=account_id)
            if account is None:
                return None
            sums = None if past else score.by_slot(account["sums"])
            sides: tuple[Side, Side] = ("buyer", "rep")
            return {side: _explanation(tx, tenant_id, account_id, sums, side, at) for side in sides}

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


def _explanation(
    tx: Transaction, tenant_id: str, account_id: str, sums: Mapping[Slot, int] | None, side: Side, at: datetime
) -> Explanation:
    before = contributions(tx, tenant_id, account_id, side, at - TREND_SPAN)
    made_of = contributions(tx, tenant_id, account_id, side, at)
    points = _total(item.points_now for item in made_of) if sums is None else score.points(sums, side, at)
    return Explanation(
        score=score.shown(points),
        score_week_ago=score.shown(_total(item.points_now for item in before)),
        contributions=made_of,
    )


def _total(points: Iterable[float]) -> float:
    return sum(points, 0.0)


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
