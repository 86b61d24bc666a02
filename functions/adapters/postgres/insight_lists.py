"""Lists of an account's insights."""

from __future__ import annotations

from datetime import datetime

from functions.adapters.postgres.database import Row, Transaction
from functions.adapters.postgres.pages import LOOKED_AT, Listed, Page, Place

#: Open insights that an account's page shows: more than it has, but for many new contacts at once.
MOST_OPEN = 50


def page(tx: Transaction, tenant_id: str, account_id: str, now: datetime, wanted: Page) -> Listed:
    """Return a page of insights: those that are open, then those that ended last."""
    place = wanted.after if isinstance(wanted.after, Place) else None
    rows = tx.rows(
        "list_insights",
        tenant_id=tenant_id,
        account_id=account_id,
        now=now,
        before_at=place and place.at,
        before_id=place and str(place.id),
        **{**wanted.parameters, "limit": wanted.limit + 1},
    )
    ends = [row.pop("ends") for row in rows]
    [counted] = tx.rows("count_insights", tenant_id=tenant_id, account_id=account_id, looked_at=LOOKED_AT + 1)
    more = len(rows) > wanted.limit
    return Listed(
        rows=rows[: wanted.limit],
        total=min(counted["total"], LOOKED_AT),
        exact=counted["total"] <= LOOKED_AT,
        next=Place(ends[wanted.limit - 1], rows[wanted.limit - 1]["id"]) if more else None,
    )


def open_at(tx: Transaction, tenant_id: str, account_id: str, at: datetime) -> list[Row]:
    """Return the insights that were open at a moment, the latest first."""
    return tx.rows("open_insights", tenant_id=tenant_id, account_id=account_id, at=at, most=MOST_OPEN)
