"""Attributes in PostgreSQL: what was written last is stored, however events come, and lists show and filter it."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from events.cloudevent import event_id
from functions.adapters.postgres.account_lists import Choice
from functions.adapters.postgres.database import Database
from functions.adapters.postgres.pages import Page
from functions.adapters.postgres.reader import Reader
from functions.adapters.postgres.signal_store import PostgresSignalStore
from functions.domain.attributes import values
from functions.domain.catalog import ACCOUNT_UPDATED, CONTACT_UPDATED, EVENT_TYPES
from functions.domain.sales import SalesEvent
from functions.domain.signal import Signal
from tests.servers.recording import record

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
PAGE = Page(number=1, limit=100)
TENANT = "acme-inc"


def signal(number: int, at: datetime, account: str, **said: Any) -> Signal:
    """An event about an account, or with a contact about that one."""
    event: dict[str, Any] = {
        "id": event_id(TENANT, "/tests", str(number)),
        "tenant_id": TENANT,
        "source": "/tests",
        "source_id": str(number),
        "kind": ACCOUNT_UPDATED,
        "account_id": account,
        "contact_id": None,
        "user_id": None,
        "occurred_at": at,
        "received_at": NOW,
        "data": {"accountId": account},
        "content": b"content",
        **said,
    }
    sent = {"specversion": "1.0", "id": str(number), "source": "/tests", "type": event["kind"].type}
    return Signal.of(SalesEvent(sent={**sent, "data": event["data"]}, **event))


@pytest.fixture
def store(database: Database) -> PostgresSignalStore:
    return PostgresSignalStore(database)


def stored(database: Database) -> tuple[dict[str, Any], dict[tuple[str, str], Any]]:
    """What lists show of accounts and of contacts, by who they are."""
    reader = Reader(database)
    accounts = {row["account_id"]: row["attributes"] for row in reader.accounts(TENANT, NOW, PAGE).rows}
    contacts = {}
    for account in accounts:
        listed = reader.contacts(TENANT, account, NOW, PAGE)
        assert listed is not None
        contacts.update({(account, row["contact_id"]): row["attributes"] for row in listed.rows})
    return accounts, contacts


@pytest.mark.parametrize("seed", [1, 2])
def test_what_was_written_last_is_kept_in_any_order_with_two_workers_at_once(
    store: PostgresSignalStore, database: Database, seed: int
) -> None:
    chance = random.Random(seed)
    written = []
    for number in range(200):
        at, account = NOW - timedelta(minutes=chance.randrange(300)), chance.choice("ab")
        said = {chance.choice(["owner", "tier", "name"]): chance.choice(["x", "y", None])}
        if chance.random() < 0.5:
            written.append(signal(number, at, account, account_says=said))
        else:
            kind = chance.choice([CONTACT_UPDATED, EVENT_TYPES["page_viewed"]])
            contact = chance.choice(["jo", "al"])
            written.append(signal(number, at, account, kind=kind, contact_id=contact, contact_says=said))
    accounts: dict[str, Any] = {"a": {}, "b": {}}
    contacts: dict[tuple[str, str], Any] = {(account, who): {} for account in "ab" for who in ("jo", "al")}
    for each in sorted((each.event for each in written), key=lambda event: (event.occurred_at, event.id)):
        accounts[each.account_id] |= each.account_says
        if each.contact_id:
            contacts[each.account_id, each.contact_id] |= each.contact_says
    deliveries = [*written, *chance.sample(written, 50)]
    chance.shuffle(deliveries)
    batches = [deliveries[start : start + 10] for start in range(0, len(deliveries), 10)]
    with ThreadPoolExecutor(2) as workers:
        list(workers.map(lambda batch: record(store, batch), batches))

    def left(said: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in said.items() if value is not None}

    assert stored(database) == (
        {who: left(said) for who, said in accounts.items()},
        {who: left(said) for who, said in contacts.items()},
    )


def test_a_contact_is_known_by_what_is_said_of_it_and_counts_for_nothing(
    store: PostgresSignalStore, database: Database
) -> None:
    record(store, [signal(1, NOW, "a", kind=EVENT_TYPES["demo_completed"], contact_id="jo")])
    before = Reader(database).explained(TENANT, "a", NOW)
    record(store, [signal(2, NOW, "a", kind=CONTACT_UPDATED, contact_id="al", contact_says={"role": "user"})])
    assert stored(database)[1] == {("a", "jo"): {}, ("a", "al"): {"role": "user"}}
    assert Reader(database).explained(TENANT, "a", NOW) == before


def test_an_account_is_explained_with_what_is_said_of_it_at_any_moment(
    store: PostgresSignalStore, database: Database
) -> None:
    record(store, [signal(1, NOW, "a", kind=EVENT_TYPES["demo_completed"], account_says={"fit": 0.9})])
    for at in (NOW, NOW - timedelta(days=1)):
        explained = Reader(database).explained(TENANT, "a", at)
        assert explained is not None
        assert values(explained["buyer"].attributes) == {"fit": 0.9}


def test_accounts_are_listed_by_their_owner(store: PostgresSignalStore, database: Database) -> None:
    owners = {"a": "sam", "b": "kim", "c": "sam", "d": None, "e": 'O\'Neil "x"'}
    record(
        store,
        [
            signal(number, NOW, account, kind=EVENT_TYPES["demo_completed"], account_says={"owner": owner})
            for number, (account, owner) in enumerate(owners.items())
        ],
    )
    reader = Reader(database)
    for by in ("buyer", "rep", None):
        for owner in ("sam", "kim", 'O\'Neil "x"', "nobody"):
            listed = reader.accounts(TENANT, NOW, PAGE, Choice(by=by, owner=owner))
            expected = sorted(account for account, has in owners.items() if has == owner)
            assert (sorted(row["account_id"] for row in listed.rows), listed.total) == (expected, len(expected))
