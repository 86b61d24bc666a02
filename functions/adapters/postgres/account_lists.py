"""Lists of accounts by their scores now, read from the top of a ranking."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from functions.adapters.postgres.database import Transaction
from functions.domain import ranking, score
from functions.domain.catalog import Side
from functions.domain.ranking import LAST, Placed, Ranked

#: A total is exact up to here.
MOST_COUNTED = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which accounts of a ranking are asked for; what is None does not filter.

    Args:
        by: whose points they are ranked by.
        band: of their engagement.
        active: the side that has points left.
        prefix: how their ids begin, in any case.
        changed_since: when the newest event that changed them was received, at the earliest.
    """

    by: Side = "buyer"
    band: str | None = None
    active: Side | None = None
    prefix: str | None = None
    changed_since: datetime | None = None

    @property
    def filters(self) -> dict[str, object]:
        """What is chosen by what is stored, as the statements want it."""
        return {"prefix": self.prefix, "changed_since": self.changed_since}

    def has(self, account: Placed, at: datetime) -> bool:
        """Return whether an account's scores at ``at`` are such as are asked for."""
        if self.active and not score.shown(score.points(account.sums, self.active, at)):
            return False
        return not self.band or self.band == score.band(score.shown(score.points(account.sums, "buyer", at)))


EVERYTHING = Choice()


def page(
    tx: Transaction, tenant_id: str, at: datetime, skipped: int, limit: int, choice: Choice
) -> tuple[list[dict[str, Any]], int, bool]:
    """Return accounts with their scores at ``at``, how many there are on all pages, and whether that is exact.

    Scores are not in any index. Where accounts are chosen by them, no more are counted than a page beyond this one.
    """
    by_score = bool(choice.band or choice.active)
    asked = skipped + limit * (1 + by_score)
    walks = [_walk(tx, tenant_id, choice, slow=slow) for slow in (False, True)]
    found = ranking.first(walks, choice.by, at, asked, lambda account: choice.has(account, at))
    rows = [_shown(account, at) for account in found[skipped : skipped + limit]]
    if by_score or len(found) < asked:
        return rows, len(found), len(found) < asked
    [counted] = tx.rows("count_accounts", tenant_id=tenant_id, most=MOST_COUNTED + 1, **choice.filters)
    return rows, min(counted["total"], MOST_COUNTED), counted["total"] <= MOST_COUNTED


def _walk(tx: Transaction, tenant_id: str, choice: Choice, *, slow: bool) -> Iterator[Ranked]:
    """Yield a tenant's accounts by their ranks, read in blocks: few are asked for, mostly."""
    asked = {"tenant_id": tenant_id, "slow": slow, **choice.filters}
    after_rank, after_id, limit = -LAST - 1, "", 100
    while True:
        asked |= {"after_rank": after_rank, "after_id": after_id, "limit": limit}
        rows = (
            tx.many_rows("accounts_by_engagement", **asked)
            if choice.by == "buyer"
            else tx.many_rows("accounts_by_effort", **asked)
        )
        for row in rows:
            yield Ranked(row["account_id"], row["rank"], slow, score.from_rows(row["score_sums"]))
        if len(rows) < limit:
            return
        after_rank, after_id, limit = rows[-1]["rank"], rows[-1]["account_id"], min(2 * limit, 5_000)


def _shown(placed: Placed, at: datetime) -> dict[str, Any]:
    engagement = score.shown(score.points(placed.sums, "buyer", at))
    return {
        "account_id": placed.account_id,
        "engagement": engagement,
        "effort": score.shown(score.points(placed.sums, "rep", at)),
        "band": score.band(engagement),
    }
