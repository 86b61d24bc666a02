"""The score sums of one account, now or at an earlier moment."""

from __future__ import annotations

from datetime import datetime

from functions.adapters.postgres.database import Transaction
from functions.domain import score
from functions.domain.score import Slot, Sum, Sums


def sums_at(tx: Transaction, tenant_id: str, account_id: str, at: datetime) -> Sums | None:
    """Return the sums of what had happened to an account by ``at``, or None for an unknown account."""
    row = tx.row("account_sums", tenant_id=tenant_id, account_id=account_id)
    if row is None:
        return None
    sums = score.from_rows(row["score_sums"])
    until = score.since_landmark(at)
    if all(each.latest <= until for each in sums.values()):
        return sums
    return {
        Slot(one["event_type"], one["side"], one["half_life_days"], one["era"]): Sum(
            int(one["total"]), one["events"], one["latest"]
        )
        for one in tx.rows("account_sums_then", tenant_id=tenant_id, account_id=account_id, at=at)
    }
