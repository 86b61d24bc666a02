"""What is known of one account: now, at an earlier moment, by day."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from functools import partial
from typing import Any

from functions.adapters.postgres.database import Transaction
from functions.domain import score
from functions.domain.explain import TREND_SPAN, Known
from functions.domain.ranking import FIRST
from functions.domain.rollup import Contact, People, of_contacts
from functions.domain.score import Sums
from functions.domain.timeline import ONE_DAY, ByContact, midnight

#: Contacts of an account that are read with it. The highest one at a moment is nearly always among so many.
FIRST_CONTACTS = 16


def known_now(tx: Transaction, tenant_id: str, account_id: str) -> Known | None:
    """Return what is known of an account, of all its events, or None for an unknown one."""
    row = tx.row("known_account", tenant_id=tenant_id, account_id=account_id, first=FIRST_CONTACTS + 1)
    return known_of(tx, tenant_id, account_id, row) if row else None


def known_of(tx: Transaction, tenant_id: str, account_id: str, row: Mapping[str, Any]) -> Known:
    """Return what a row with its first contacts says of an account."""
    contacts = [(id_, contact_of(slots, rank, slow=slow)) for id_, slots, rank, slow in row["contacts"] or ()]
    others = partial(all_contacts, tx, tenant_id, account_id)
    return Known(score.from_rows(row["slots"]), people_of(row["engaged"], contacts, others))


def people_of(
    engaged: int, contacts: Iterable[tuple[str, Contact]], others: Callable[[], Mapping[str, Contact]]
) -> People:
    """Return the people of an account.

    Args:
        contacts: the first ``FIRST_CONTACTS`` by rank, and one more if there are more.
        others: reads all of them.
    """
    known = dict(contacts)
    if len(known) <= FIRST_CONTACTS:
        return People(engaged, known)
    _, last = known.popitem()
    return People(engaged, known, FIRST if last.slow else last.rank, others)


def contact_of(slots: Any, rank: int, *, slow: bool) -> Contact:
    """Return a contact as it is stored."""
    return Contact(score.from_rows(slots), rank, slow)


def known_at(tx: Transaction, tenant_id: str, account_id: str, at: datetime) -> Known | None:
    """Return what was known of an account at a moment, of events that had occurred by then; None for an unknown one."""
    now = known_now(tx, tenant_id, account_id)
    if now is None or score.newest(now.sums) <= score.since_landmark(at):
        return now
    return Known(*of_contacts(sums_then(tx, tenant_id, account_id, at)))


def known_week_before(tx: Transaction, tenant_id: str, account_id: str, known: Known, at: datetime) -> Known:
    """Return what had been known of an account a week before ``at``.

    Args:
        known: of the account at ``at``, all events that have occurred since are later than ``at``.
    """
    before = at - TREND_SPAN
    if score.newest(known.sums) <= score.since_landmark(before):
        return known
    sums = dict(known.sums)
    since = _by_contact(tx.many_rows("account_since", tenant_id=tenant_id, account_id=account_id, at=before))
    if not since.keys() - {""} <= known.people.known.keys():
        known.people.read_all()
    earlier = {}
    for contact_id, added in since.items():
        contact = known.people.known[contact_id].sums if contact_id else {}
        for slot, each in added.items():
            sums = score.without(sums, slot, each)
            contact = score.without(contact, slot, each) if contact_id else contact
        if contact_id:
            earlier[contact_id] = contact
    return Known(sums, known.people.earlier(earlier))


def sums_then(tx: Transaction, tenant_id: str, account_id: str, at: datetime) -> ByContact:
    """Return the sums, by contact, of what had happened to an account by ``at``."""
    return _by_contact(tx.many_rows("account_then", tenant_id=tenant_id, account_id=account_id, at=at))


def sums_by_day(tx: Transaction, tenant_id: str, account_id: str, first: date, last: date) -> dict[date, ByContact]:
    """Return the sums, by contact, of each day in UTC that had events, from one day to another."""
    rows = tx.many_rows(
        "account_timeline",
        tenant_id=tenant_id,
        account_id=account_id,
        since=midnight(first),
        until=midnight(last + ONE_DAY),
    )
    found: dict[date, dict[str, Sums]] = {}
    for row in rows:
        found.setdefault(date.fromisoformat(row["day"]), {})[row["contact_id"]] = score.from_rows(row["slots"])
    return dict(found)


def all_contacts(tx: Transaction, tenant_id: str, account_id: str) -> dict[str, Contact]:
    """Return all contacts of an account."""
    rows = tx.many_rows("all_contacts", tenant_id=tenant_id, account_id=account_id)
    return {row["contact_id"]: contact_of(row["slots"], row["rank"], slow=row["slow"]) for row in rows}


def _by_contact(rows: Iterable[Mapping[str, Any]]) -> ByContact:
    return {row["contact_id"]: score.from_rows(row["slots"]) for row in rows}
