"""What is known of one account: now, at an earlier moment, by day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

from functions.adapters.postgres.database import Transaction
from functions.adapters.postgres.model_rows import model_of
from functions.domain import attributes, score
from functions.domain.explain import TREND_SPAN, Known
from functions.domain.model import Versioned
from functions.domain.ranking import FIRST
from functions.domain.rollup import Contact, People, of_contacts
from functions.domain.score import Slot, Sum, Sums
from functions.domain.timeline import ONE_DAY, ByContact, midnight

#: Contacts of an account that are read with it. The highest one at a moment is nearly always among so many.
FIRST_CONTACTS = 16


def known_now(tx: Transaction, tenant_id: str, account_id: str) -> Known | None:
    """Return what is known of an account, of all its events, or None for an unknown one."""
    row = tx.row("known_account", tenant_id=tenant_id, account_id=account_id, first=FIRST_CONTACTS + 1)
    return known_of(tx, tenant_id, account_id, row, model_of(tx, tenant_id)) if row else None


def known_of(tx: Transaction, tenant_id: str, account_id: str, row: Mapping[str, Any], scoring: Versioned) -> Known:
    """Return what a row with its first contacts says of an account."""
    contacts = [(id_, Contact(slots, rank, slow=slow)) for id_, slots, rank, slow in row["contacts"] or ()]
    others = partial(all_contacts, tx, tenant_id, account_id)
    people = people_of(row["engaged"], contacts, others)
    return Known(score.from_rows(row["slots"]), people, scoring, attributes.from_json(row["attributes"]))


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
    return People(engaged, known, FIRST if last.slow or last.rank is None else last.rank, others)


def known_at(tx: Transaction, tenant_id: str, account_id: str, at: datetime) -> Known | None:
    """Return what is known of an account by the events that had occurred by ``at``, or None for an unknown one."""
    now = known_now(tx, tenant_id, account_id)
    if now is None or score.newest(now.sums) <= score.since_landmark(at):
        return now
    return now.then(*of_contacts(sums_then(tx, tenant_id, account_id, at)))


def known_with_trend(tx: Transaction, tenant_id: str, account_id: str, at: datetime) -> tuple[Known, Known] | None:
    """Return what is known of an account by the events until ``at``, and by those until a week before."""
    now = known_now(tx, tenant_id, account_id)
    if now is None:
        return None
    before = at - TREND_SPAN
    if score.newest(now.sums) <= score.since_landmark(before):
        return now, now
    if score.newest(now.sums) <= score.since_landmark(at):
        return now, _without_since(tx, tenant_id, account_id, now, before)
    then, earlier = (of_contacts(sums_then(tx, tenant_id, account_id, each)) for each in (at, before))
    return now.then(*then), now.then(*earlier)


def known_since(tx: Transaction, tenant_id: str, account_id: str, at: datetime) -> tuple[Known, Known] | None:
    """Return what is known of an account by the events until ``at``, and by all there are."""
    now = known_now(tx, tenant_id, account_id)
    if now is None:
        return None
    if score.newest(now.sums) <= score.since_landmark(at):
        return now, now
    return _without_since(tx, tenant_id, account_id, now, at), now


def _without_since(tx: Transaction, tenant_id: str, account_id: str, now: Known, at: datetime) -> Known:
    """Return what was known at ``at``: what is known now without the events since, which are few."""
    row = tx.row("account_since", tenant_id=tenant_id, account_id=account_id, **since(at))
    return without(now, row["since"] if row else None)


def since(at: datetime) -> dict[str, datetime]:
    """Return the parameters of ``sums_since``."""
    return {"since": at, "next_day": midnight(at.astimezone(UTC).date() + ONE_DAY)}


def without(now: Known, later: Sequence[Sequence[Any]] | None) -> Known:
    """Return what was known before ``later``, the result of ``sums_since``."""
    rows = defaultdict[str, list[Any]](list)
    for contact_id, *slot in later or ():
        rows[contact_id].append(slot)
    since = {contact_id: score.from_rows(slots) for contact_id, slots in rows.items()}
    if not since.keys() - {""} <= now.people.known.keys():
        now.people.read_all()
    earlier = {name: _without(now.people.known[name].sums, added) for name, added in since.items() if name}
    whole = now.sums
    for added in since.values():
        whole = _without(whole, added)
    return now.then(whole, now.people.earlier(earlier))


def _without(sums: Sums, taken: Sums) -> dict[Slot, Sum]:
    for slot, each in taken.items():
        if slot in sums:  # else nothing is left of it
            sums = score.without(sums, slot, each)
    return dict(sums)


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
    return {row["contact_id"]: Contact(row["slots"], row["rank"], slow=row["slow"]) for row in rows}


def _by_contact(rows: Iterable[Mapping[str, Any]]) -> ByContact:
    return {row["contact_id"]: score.from_rows(row["slots"]) for row in rows}
