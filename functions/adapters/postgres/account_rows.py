"""Accounts and contacts as the statements that lock and write them have them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any

from functions.domain import ranking, score
from functions.domain.model import Versioned
from functions.domain.rollup import Contact, People
from functions.domain.rule import Episode
from functions.domain.score import Sums
from functions.domain.state import Account, AccountKey, Changes
from functions.domain.watch import Watch


def account_of(row: Mapping[str, Any], people: People, scoring: Versioned) -> Account:
    """Return an account as it is stored."""
    episodes = {
        rule: Episode(number, open_, datetime.fromisoformat(opened_at))
        for rule, (number, open_, opened_at) in row["episodes"].items()
    }
    return Account(
        score.from_rows(row["slots"]),
        episodes,
        datetime.fromisoformat(row["as_of"]),
        date.fromisoformat(row["days_until"]),
        people,
        scoring,
        row["watch"] and Watch.read(row["watch"]),
        row["next_due"] and score.since_landmark(datetime.fromisoformat(row["next_due"])),
    )


def account_row(key: AccountKey, account: Account) -> dict[str, Any]:
    """Return an account as it is written."""
    tenant, account_id = key
    return {
        "tenant_id": tenant,
        "account_id": account_id,
        **account_scores(account.sums, account.people),
        "episodes": account.episodes,
        "as_of": account.as_of,
        "days_until": account.days_until,
        "watch": account.watch and account.watch.stored(),
        "next_due": None if account.next_due is None else score.moment(account.next_due),
    }


def contact_rows(changes: Changes) -> Iterator[dict[str, Any]]:
    """Yield the contacts that have changed; each account is locked, so their order is free."""
    for (tenant, account_id), names in changes.contacts.items():
        known = changes.accounts[tenant, account_id].people.known
        for name in names:
            yield {"tenant_id": tenant, "account_id": account_id, **contact_scores(name, known[name])}


def account_scores(sums: Sums, people: People) -> dict[str, Any]:
    """Return what is written of an account's scores, its ranks made anew."""
    ranks = ranking.ranks(sums)
    return {
        "slots": _slots(sums),
        "engaged": people.engaged,
        "engagement_rank": ranks.engagement,
        "effort_rank": ranks.effort,
        "slow": ranks.slow,
    }


def contact_scores(contact_id: str, contact: Contact) -> dict[str, Any]:
    """Return what is written of a contact's scores, its rank made anew."""
    contact.ranked()
    return {
        "contact_id": contact_id,
        "slots": _slots(contact.sums),
        "rank": contact.rank,
        "slow": contact.slow,
    }


def _slots(sums: Sums) -> list[tuple[object, ...]]:
    """Return the stored form of sums: :func:`functions.domain.score.from_rows` is the way back."""
    return [slot + each for slot, each in sums.items()]
