"""The score sums of one account: now, at an earlier moment, by day and by contact."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

from functions.adapters.postgres.database import Transaction
from functions.domain import score
from functions.domain.score import Sums
from functions.domain.timeline import ONE_DAY, midnight


def sums_at(tx: Transaction, tenant_id: str, account_id: str, at: datetime) -> Sums | None:
    """Return the sums of what had happened to an account by ``at``, or None for an unknown account."""
    found = sums_at_each(tx, tenant_id, account_id, [at])
    return found[0] if found else None


def sums_at_each(tx: Transaction, tenant_id: str, account_id: str, moments: Iterable[datetime]) -> list[Sums] | None:
    """Return the same for several moments, in their order."""
    row = tx.row("account_sums", tenant_id=tenant_id, account_id=account_id)
    if row is None:
        return None
    sums = score.from_rows(row["score_sums"])
    return [_sums_then(tx, tenant_id, account_id, sums, at) for at in moments]


def _sums_then(tx: Transaction, tenant_id: str, account_id: str, now: Sums, at: datetime) -> Sums:
    if score.newest(now) <= score.since_landmark(at):
        return now
    then = tx.many_rows("account_sums_then", tenant_id=tenant_id, account_id=account_id, at=at)
    return score.from_rows(tuple(row.values()) for row in then)


def sums_by_day(tx: Transaction, tenant_id: str, account_id: str, first: date, last: date) -> dict[date, Sums]:
    """Return the sums of what happened to an account on each day in UTC that had events, from one day to another."""
    rows = tx.many_rows(
        "account_timeline",
        tenant_id=tenant_id,
        account_id=account_id,
        since=midnight(first),
        until=midnight(last + ONE_DAY),
    )
    return {date.fromisoformat(row["day"]): score.from_rows(row["score_sums"]) for row in rows}


def sums_by_contact(tx: Transaction, tenant_id: str, account_id: str, most: int) -> dict[str, Sums]:
    """Return the sums of an account's contacts, of the most recent ones."""
    rows = tx.many_rows("account_contacts", tenant_id=tenant_id, account_id=account_id, most=most)
    return {row["contact_id"]: score.from_rows(row["score_sums"]) for row in rows}
