"""Lists of an account's insights."""

from __future__ import annotations

from datetime import datetime

from functions.adapters.postgres.database import Row, Transaction
from functions.adapters.postgres.pages import LOOKED_AT, Listed, Page, Place, counted

#: Open insights that an account's page shows: more than it has, but for many new contacts at once.
MOST_OPEN = 50


def page(tx: Transaction, tenant_id: str, account_id: str, now: datetime, wanted: Page) -> Listed:
    """Return a page of insights: those that are open, then those that ended last."""
    rows = tx.rows(
        "list_insights",
        tenant_id=tenant_id,
        account_id=account_id,
        now=now,
        **wanted.before,
        **wanted.one_more,
    )
    ends = [row.pop("ends") for row in rows]
    [count] = tx.rows("count_insights", tenant_id=tenant_id, account_id=account_id, looked_at=LOOKED_AT + 1)
    total, exact = counted(count["total"])
    more = len(rows) > wanted.limit
    return Listed(
        rows=rows[: wanted.limit],
        total=total,
        exact=exact,
        next=Place(ends[wanted.limit - 1], rows[wanted.limit - 1]["id"]) if more else None,
    )


def open_at(tx: Transaction, tenant_id: str, account_id: str, at: datetime) -> list[Row]:
    """Return the insights that were open at a moment, the latest first."""
    return tx.rows("open_insights", tenant_id=tenant_id, account_id=account_id, at=at, most=MOST_OPEN)
