"""Insights in PostgreSQL: those of accounts that a batch holds, and the events they were found from."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Any

from functions.adapters.postgres.database import Transaction
from functions.adapters.postgres.parameters import json_rows
from functions.domain import score
from functions.domain.catalog import EventType
from functions.domain.following import MOST_PAST, Insight, Past
from functions.domain.replay import Counted, role_said
from functions.domain.standing import RETRACTED
from functions.domain.state import AccountKey, Changes
from functions.domain.watch import WATCHED

#: How the signal of an insight stands, and of one that late events have undone.
FOUND, UNDONE = ("buyer", 0), ("retracted", RETRACTED)


def past_of(tx: Transaction, without: Collection[str], key: AccountKey) -> Past | None:
    """Return the past of a locked account, for its insights to be found again; None where it has too many signals.

    Args:
        without: signals of the batch, which are not past.
    """
    tenant_id, account_id = key
    account = {"tenant_id": tenant_id, "account_id": account_id}
    rows = tx.many_rows("past_signals", **account, watched=sorted(WATCHED), most=MOST_PAST + 1)
    if len(rows) > MOST_PAST:
        return None
    events = [_counted(row) for row in rows if row["id"] not in without]
    insights = {row["id"]: insight_of(row) for row in tx.many_rows("past_insights", **account)}
    return Past(events, insights)


def _counted(row: Mapping[str, Any]) -> Counted:
    kind = EventType(row["event_type"], "", 0, row["points"], row["half_life_days"], row["side"], prefix="")
    at = score.since_landmark(datetime.fromisoformat(row["timestamp"]))
    return Counted(at, row["id"], kind, row["contact_id"], role_said(row["role"]))


def insight_of(row: Mapping[str, Any]) -> Insight:
    """Return an insight as it is stored."""
    closed_at = row["closed_at"]
    return Insight(
        **{name: row[name] for name in ("tenant_id", "account_id", "id", "kind", "contact_id", "event_id", "undone")},
        opened_at=datetime.fromisoformat(row["opened_at"]),
        closed_at=closed_at and datetime.fromisoformat(closed_at),
        evidence=row["evidence"],
        reasons=tuple(row["reasons"]),
        found_with=row["found_with"],
    )


def put(tx: Transaction, changes: Changes) -> None:
    """Write what began, changed and ended of insights."""
    followers = list(changes.followers.items())
    if not any(each.found or each.closed for _, each in followers):
        return
    found = [insight for _, each in followers for insight in each.found.values()]
    tx.rows(
        "put_insights",
        found=json_rows(found),
        closed=json_rows(_closed(changes)),
        sides=json_rows(_sides(changes)),
    )


def _closed(changes: Changes) -> Iterator[dict[str, Any]]:
    for (tenant, account), follower in changes.followers.items():
        for kind, at in follower.closed.items():
            yield {"tenant_id": tenant, "account_id": account, "kind": kind, "at": at}


def _sides(changes: Changes) -> Iterator[dict[str, Any]]:
    for (tenant, _), follower in changes.followers.items():
        for insight in follower.found.values() if follower.reruns else ():
            side, left_out = UNDONE if insight.undone else FOUND
            yield {"tenant_id": tenant, "id": insight.id, "side": side, "left_out": left_out}
