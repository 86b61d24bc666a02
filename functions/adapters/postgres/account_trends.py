"""Lists of accounts by how their engagement has changed in a week: exact for a bounded number of accounts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

from functions.adapters.postgres import account_lists
from functions.adapters.postgres.account_lists import Choice
from functions.adapters.postgres.account_sums import FIRST_CONTACTS, known_of, since, without
from functions.adapters.postgres.database import Transaction
from functions.adapters.postgres.model_rows import model_of
from functions.adapters.postgres.pages import LOOKED_AT, Listed, Page
from functions.domain import ranking, score
from functions.domain.explain import TREND_SPAN, Known
from functions.domain.model import Versioned
from functions.domain.ranking import Placed, Ranked

#: Accounts that are compared: of those with events in the week, and of the others, which only fade.
COMPARED = 100
#: Accounts of the ranking that are read to find the others.
PASSED = 4 * COMPARED


class Change(NamedTuple):
    """An account, and its engagement a week before, 0-100."""

    known: Known
    before: float


def page(tx: Transaction, tenant_id: str, now: datetime, page: Page, choice: Choice) -> Listed:
    """Return one page of accounts by the change of their engagement within the week until now.

    Two kinds are compared: accounts that had events with points in the week, the last seen first; and the others,
    which only fade, those with the most engagement a week ago first.
    """
    tx.rows("walk_along_indexes")
    at, after = account_lists.standing(page, now)
    scoring = model_of(tx, tenant_id)
    seen, all_seen = _seen(tx, tenant_id, at, choice, scoring)
    others, all_others = _others(tx, tenant_id, at, choice, scoring)
    sign = -1 if choice.change == "fall" else 1
    compared = [Placed(id_, sign * _points(change, at), change) for id_, change in (*seen, *others)]
    found = sorted((each for each in compared if each.place > after), key=lambda each: each.place)
    skipped = page.parameters["offset"]
    exact = all_seen and all_others
    return account_lists.listed(found[skipped:], page, at, len(compared), exact=exact, shown=_shown)


def _points(change: Change, at: datetime) -> float:
    """Return the points of a score by which it has changed; scores have one decimal."""
    return round(change.known.shown("buyer", at) - change.before, 1)


def _seen(
    tx: Transaction, tenant_id: str, at: datetime, choice: Choice, scoring: Versioned
) -> tuple[list[tuple[str, Change]], bool]:
    """Return accounts with events in the week before ``at``, and whether these are all of them."""
    week_ago = at - TREND_SPAN
    rows = tx.many_rows(
        "accounts_seen",
        tenant_id=tenant_id,
        looked_at=LOOKED_AT,
        most=COMPARED + 1,
        first=FIRST_CONTACTS + 1,
        **since(week_ago),
        **choice.filters,
    )
    met = [row for row in rows if row["account_id"] is not None]
    found = []
    for row in met[:COMPARED]:
        known = known_of(tx, tenant_id, row["account_id"], row, scoring)
        if choice.has(known, at):
            found.append((row["account_id"], Change(known, without(known, row["since"]).shown("buyer", week_ago))))
    return found, len(rows) == len(met) <= COMPARED


def _others(
    tx: Transaction, tenant_id: str, at: datetime, choice: Choice, scoring: Versioned
) -> tuple[list[tuple[str, Change]], bool]:
    """Return accounts without events in the week before ``at``, and whether these are all of them."""
    week_ago = at - TREND_SPAN
    until = score.since_landmark(week_ago)
    passed = 0

    def bounded(walk: Iterable[Ranked[Known]]) -> Iterator[Ranked[Known]]:
        nonlocal passed
        for account in walk:
            passed += 1
            if passed > PASSED:
                return
            yield account

    # No rank bounds what an account with later events had a week ago. But these are left out, wherever they come.
    found = ranking.first(
        [bounded(account_lists.walk(tx, tenant_id, choice, "buyer", scoring, slow=slow)) for slow in (False, True)],
        lambda known: known.points("buyer", week_ago),
        week_ago,
        COMPARED + 1,
        lambda placed: score.newest(placed.item.sums) <= until and choice.has(placed.item, at),
    )
    changes = [(each.id, Change(each.item, each.item.shown("buyer", week_ago))) for each in found[:COMPARED]]
    return changes, len(found) <= COMPARED and passed <= PASSED


def _shown(account_id: str, change: Change, at: datetime) -> dict[str, Any]:
    shown = account_lists.shown(account_id, change.known, at)
    return {
        **shown,
        "engagement_week_ago": change.before,
        "trend": score.trend(shown["engagement"], change.before),
    }
