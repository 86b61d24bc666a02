"""What the API reads, as the role that row-level security keeps inside one tenant."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from functions.adapters.postgres import account_lists, account_trends, insight_lists, signal_lists
from functions.adapters.postgres.account_lists import EVERYTHING, Choice
from functions.adapters.postgres.account_sums import known_now, known_since, known_with_trend, sums_by_day, sums_then
from functions.adapters.postgres.database import Database, Row, Transaction
from functions.adapters.postgres.pages import LOOKED_AT, Listed, Page, Place, before, counted
from functions.adapters.postgres.signal_lists import SignalQuery
from functions.adapters.postgres.spreads import spread
from functions.domain import changes, original, standing
from functions.domain.catalog import SIDES, Side
from functions.domain.changes import Change
from functions.domain.explain import Explanation, explained
from functions.domain.signal import instant
from functions.domain.spread import Spread
from functions.domain.standing import Retraction
from functions.domain.timeline import MICROSECOND, Day, days, midnight

#: Contacts and accounts that are looked at for suggestions.
MOST_SUGGESTING = 100_000


class Reader:
    """Questions of one tenant, each in a transaction of its own.

    Every method raises :class:`events.errors.Unavailable` when PostgreSQL cannot be reached.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def signals(self, asked: SignalQuery, page: Page) -> Listed:
        """Return one page of signals."""
        with self._database.transaction(tenant=asked.tenant_id) as tx:
            tx.rows("walk_along_indexes")
            found = signal_lists.page(tx, asked, page)
        shown = [_without(_signal(row), "source", "source_id") for row in found.rows]
        return Listed(rows=shown, total=found.total, exact=found.exact, next=found.next)

    def statistics(self, asked: SignalQuery) -> tuple[dict[str, Any], bool]:
        """Return statistics of the newest signals, and whether there are no others: see :mod:`.signal_lists`."""
        with self._database.transaction(tenant=asked.tenant_id) as tx:
            tx.rows("walk_along_indexes")
            found, exact = signal_lists.statistics(tx, asked)
        return _plain(found), exact

    def signal(self, tenant_id: str, id_: UUID) -> dict[str, Any] | None:
        """Return one signal with its event's ``source``, ``source_id`` and ``received_at``, or None."""
        with self._database.transaction(tenant=tenant_id) as tx:
            row = tx.row("get_signal", tenant_id=tenant_id, id=str(id_))
        return _signal(row) if row else None

    def account_id(self, tenant_id: str, name: str) -> str | None:
        """Return the account of a name, or None for an unknown one."""
        with self._database.transaction(tenant=tenant_id) as tx:
            row = tx.row("account_id", tenant_id=tenant_id, account_id=name)
        return None if row is None else str(row["account_id"])

    def resolved(self, tenant_id: str, filters: Mapping[str, str | None]) -> dict[str, str | None]:
        """Return filters of signals, with the account that counts for the one that they name."""
        named = filters["account_id"]
        counts = self.account_id(tenant_id, named) if named else None
        return {**filters, "account_id": counts or named}

    def names(self, tenant_id: str, account_id: str) -> list[Row]:
        """Return the accounts that one counts for, each with the one that it was merged into."""
        with self._database.transaction(tenant=tenant_id) as tx:
            return tx.rows("account_names", tenant_id=tenant_id, account_id=account_id)

    def shared_domains(self, tenant_id: str) -> list[tuple[str, str, int]]:
        """Return domains that several accounts have: domain, account, and how many contacts it has there."""
        with self._database.transaction(tenant=tenant_id) as tx:
            rows = tx.many_rows("shared_domains", tenant_id=tenant_id, looked_at=MOST_SUGGESTING)
        return [(row["domain"], row["account_id"], row["contacts"]) for row in rows]

    def stand(self, tenant_id: str, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return how signals stand, by their ids, which a search index does not know."""
        if not ids:
            return {}
        with self._database.transaction(tenant=tenant_id) as tx:
            rows = tx.rows("signals_stand", tenant_id=tenant_id, ids=list(ids))
        return {str(row["id"]): _stands(row) for row in rows}

    def accounts(self, tenant_id: str, now: datetime, page: Page, choice: Choice = EVERYTHING) -> Listed:
        """Return one page of accounts, in the order that is chosen."""
        read = account_trends.page if choice.change else account_lists.page
        with self._database.transaction(tenant=tenant_id) as tx:
            return read(tx, tenant_id, now, page, choice)

    def contacts(self, tenant_id: str, account_id: str, at: datetime, page: Page) -> Listed | None:
        """Return one page of an account's contacts at a moment, those with the most points first.

        Returns:
            None for an unknown account.
        """
        with self._database.transaction(tenant=tenant_id) as tx:
            known = known_now(tx, tenant_id, account_id)
            if known is None:
                return None
            return account_lists.contacts(tx, tenant_id, account_id, at, page, known)

    def days(self, tenant_id: str, account_id: str, first: date, last: date, now: datetime) -> list[Day] | None:
        """Return the days of an account from one to another, or None for an unknown one."""
        with self._database.transaction(tenant=tenant_id) as tx:
            known = known_now(tx, tenant_id, account_id)
            if known is None:
                return None
            before = sums_then(tx, tenant_id, account_id, midnight(first) - MICROSECOND)
            by_day = sums_by_day(tx, tenant_id, account_id, first, last)
        return list(days(before, by_day, first, last, now, known.scoring))

    def timeline(self, tenant_id: str, account_id: str, most: int, after: Place | None = None) -> list[dict[str, Any]]:
        """Return the newest entries of an account's timeline, or those after a place."""
        asked = {"tenant_id": tenant_id, "account_id": account_id, "limit": most, **before(after)}
        with self._database.transaction(tenant=tenant_id) as tx:
            return [_plain(row) for row in tx.rows("list_timeline", **asked)]

    def change(self, tenant_id: str, account_id: str, since: datetime, now: datetime) -> Change | None:
        """Return what has changed about an account since a moment, or None for an unknown account."""
        with self._database.transaction(tenant=tenant_id) as tx:
            found = known_since(tx, tenant_id, account_id, since)
            if found is None:
                return None
            before, after = found
            return changes.change(before, after, since, now)

    def explained(self, tenant_id: str, account_id: str, at: datetime) -> dict[Side, Explanation] | None:
        """Return both scores of an account at ``at`` with what they are made of, or None for an unknown one."""
        with self._database.transaction(tenant=tenant_id) as tx:
            found = known_with_trend(tx, tenant_id, account_id, at)
            if found is None:
                return None
            known, week_ago = found
            return {side: explained(known, week_ago, side, at) for side in SIDES}

    def spread(self, tenant_id: str, now: datetime) -> Spread:
        """Return how a tenant's accounts are spread over the scores at ``now``, of all or of some."""
        with self._database.transaction(tenant=tenant_id) as tx:
            return spread(tx, tenant_id, now)

    def insights(self, tenant_id: str, account_id: str, now: datetime, page: Page) -> Listed | None:
        """Return one page of an account's insights, the open ones first; None for an unknown account."""
        with self._database.transaction(tenant=tenant_id) as tx:
            if tx.row("account_id", tenant_id=tenant_id, account_id=account_id) is None:
                return None
            listed = insight_lists.page(tx, tenant_id, account_id, now, page)
        return replace(listed, rows=[_plain(row) for row in listed.rows])

    def open_insights(self, tenant_id: str, account_id: str, at: datetime) -> list[dict[str, Any]]:
        """Return the insights of an account that were open at a moment, the latest first."""
        with self._database.transaction(tenant=tenant_id) as tx:
            return [_plain(row) for row in insight_lists.open_at(tx, tenant_id, account_id, at)]

    def notices(self, tenant_id: str, page: Page) -> Listed:
        """Return one page of notices, the newest first, with their deliveries."""
        with self._database.transaction(tenant=tenant_id) as tx:
            tx.rows("walk_along_indexes")
            rows = _notices(tx, tenant_id, page)
            [count] = tx.rows("count_notices", tenant_id=tenant_id, looked_at=LOOKED_AT + 1)
        total, exact = counted(count["total"])
        more = len(rows) > page.limit
        last = rows[page.limit - 1] if more else None
        return Listed(
            rows=[_notice(row) for row in rows[: page.limit]],
            total=total,
            exact=exact,
            next=Place(last["created_at"], last["id"]) if last else None,
        )

    def notices_of(self, tenant_id: str, event_id: UUID) -> list[dict[str, Any]]:
        """Return the newest 100 notices that an event led to, with their deliveries."""
        with self._database.transaction(tenant=tenant_id) as tx:
            return [_notice(row) for row in _notices(tx, tenant_id, Page(number=1, limit=100), event_id)]

    def ping(self) -> None:
        """Raise :class:`Unavailable` unless the database answers."""
        self._database.ping()


def _signal(row: Row) -> dict[str, Any]:
    """Turn a stored signal into JSON types, with its event as it was sent."""
    shown = _plain(_without(row, "left_out", "retraction", "sent_account"))
    return {**shown, **_stands(row), "metadata": original.metadata(row), "event": original.whole(row)}


def _stands(row: Row) -> dict[str, Any]:
    """Return how a signal stands, and why it is left out, in words."""
    gone, left_out = row["retraction"], row["left_out"]
    retraction = gone and Retraction(instant(datetime.fromisoformat(gone[0])), gone[1], gone[2])
    return {"standing": standing.standing(left_out), "left_out": standing.sentences(left_out, retraction)}


def _notices(tx: Transaction, tenant_id: str, page: Page, event_id: UUID | None = None) -> list[Row]:
    """Return the notices of a page, and one more where there is a next page."""
    return tx.rows(
        "list_notices",
        tenant_id=tenant_id,
        event_id=event_id and str(event_id),
        **page.before,
        **page.one_more,
    )


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
