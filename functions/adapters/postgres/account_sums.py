"""The score sums of one account, now or at an earlier moment."""

from __future__ import annotations

from datetime import datetime

from functions.adapters.postgres.database import Transaction
from functions.domain import score
from functions.domain.score import Sums


def sums_at(tx: Transaction, tenant_id: str, account_id: str, at: datetime) -> Sums | None:
    """Return the sums of what had happened to an account by ``at``, or None for an unknown account."""
    row = tx.row("account_sums", tenant_id=tenant_id, account_id=account_id)
    if row is None:
        return None
    sums = score.from_rows(row["score_sums"])
    if score.newest(sums) <= score.since_landmark(at):
        return sums
    then = tx.many_rows("account_sums_then", tenant_id=tenant_id, account_id=account_id, at=at)
    return score.from_rows(tuple(row.values()) for row in then)
