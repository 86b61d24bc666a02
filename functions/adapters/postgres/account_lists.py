"""Lists of accounts by their scores, read from the top of a ranking, and of an account's contacts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from functions.adapters.postgres.account_sums import sums_by_contact
from functions.adapters.postgres.database import Transaction
from functions.adapters.postgres.pages import LOOKED_AT, Listed, Page, Standing
from functions.domain import ranking, score
from functions.domain.catalog import Side
from functions.domain.ranking import LAST, Placed, Ranked
from functions.domain.score import Sums
from functions.domain.signal import instant


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


def page(tx: Transaction, tenant_id: str, now: datetime, page: Page, choice: Choice) -> Listed:
    """Return one page of accounts, those with the most points first.

    Scores are not in any index. Where accounts are chosen by them, no more are counted than one beyond this page.
    """
    at, after = _standing(page, now)
    skipped = page.parameters["offset"]
    walks = [_walk(tx, tenant_id, choice, slow=slow) for slow in (False, True)]
    asked = skipped + page.limit + 1
    found = ranking.first(walks, choice.by, at, asked, lambda account: choice.has(account, at), after)
    if choice.band or choice.active:
        earlier = (page.number - 1) * page.limit if page.after else 0
        total, exact = earlier + len(found), len(found) < asked
    else:
        [counted] = tx.rows("count_accounts", tenant_id=tenant_id, most=LOOKED_AT + 1, **choice.filters)
        total, exact = min(counted["total"], LOOKED_AT), counted["total"] <= LOOKED_AT
    return _listed([(each.place, _shown(each, at)) for each in found[skipped:]], page, at, total, exact=exact)


def contacts(tx: Transaction, tenant_id: str, account_id: str, now: datetime, page: Page) -> Listed:
    """Return one page of an account's contacts, those with the most engagement first."""
    at, after = _standing(page, now)
    all_sums = sums_by_contact(tx, tenant_id, account_id, LOOKED_AT + 1)
    found = []
    for contact_id, sums in all_sums.items():
        points = score.points(sums, "buyer", at)
        if (place := (-max(points, 0.0), contact_id)) > after:
            found.append((place, _contact(contact_id, sums, at)))
    found.sort(key=lambda each: each[0])
    total, exact = min(len(all_sums), LOOKED_AT), len(all_sums) <= LOOKED_AT
    return _listed(found[page.parameters["offset"] :], page, at, total, exact=exact)


def _standing(page: Page, now: datetime) -> tuple[datetime, tuple[float, str]]:
    """Return the moment that a page shows the scores of, and the place it begins after."""
    after = page.after
    return (after.at, after.place) if isinstance(after, Standing) else (now, ranking.BEFORE_ALL)


def _listed(
    found: Sequence[tuple[tuple[float, str], dict[str, Any]]], page: Page, at: datetime, total: int, *, exact: bool
) -> Listed:
    """Return a page of rows with their places, which begin where the page does."""
    more = len(found) > page.limit
    (points, last), _ = found[page.limit - 1] if more else (ranking.BEFORE_ALL, {})
    return Listed(
        rows=[row for _, row in found[: page.limit]],
        total=total,
        exact=exact,
        next=Standing(-points, last, at) if more else None,
    )


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
    return {"account_id": placed.account_id, **_scores(placed.sums, at)}


def _contact(contact_id: str, sums: Sums, at: datetime) -> dict[str, Any]:
    events = sum(events for _, events, _ in sums.values())
    latest = instant(score.moment(score.newest(sums)))
    return {"contact_id": contact_id, **_scores(sums, at), "events": events, "last_seen": latest}


def _scores(sums: Sums, at: datetime) -> dict[str, Any]:
    engagement = score.shown(score.points(sums, "buyer", at))
    return {
        "engagement": engagement,
        "effort": score.shown(score.points(sums, "rep", at)),
        "band": score.band(engagement),
    }
