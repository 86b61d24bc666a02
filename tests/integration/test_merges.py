"""Merged accounts are what one account with all their events is; undone they are what they would have been."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from events.cloudevent import event_id
from events.errors import Refused
from functions.adapters.postgres import merges
from functions.adapters.postgres.database import Database, connect
from functions.adapters.postgres.merges import PostgresMerges
from functions.adapters.postgres.pages import Page
from functions.adapters.postgres.reader import Reader
from functions.adapters.postgres.signal_store import PostgresSignalStore
from functions.domain import attributes, score
from functions.domain.catalog import ACCOUNT_MERGED, ACCOUNT_UNMERGED, EVENT_TYPES, EventType
from functions.domain.sales import SalesEvent
from functions.domain.signal import Signal
from functions.ports import AccountsMoved
from functions.process.merges import settled
from tests.servers.recording import record

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
PAGE = Page(number=1, limit=100)
ALIASES = ["demo_completed", "page_viewed", "email_sent", "email_clicked", "email_unsubscribed", "pricing_viewed"]
#: A day of these is more than counts of one contact at two accounts, and not at each of them.
BUSY = ["email_clicked", "pricing_viewed", "email_sent"]
#: Number, minutes ago, account, contact, type, attributes.
Sent = tuple[int, int, str, str | None, str, dict[str, Any]]


def signal(tenant: str, number: int, account: str, **changes: Any) -> Signal:
    event: dict[str, Any] = {
        "id": event_id(tenant, "/tests", str(number)),
        "tenant_id": tenant,
        "source": "/tests",
        "source_id": str(number),
        "kind": EVENT_TYPES["demo_completed"],
        "account_id": account,
        "contact_id": None,
        "user_id": None,
        "occurred_at": NOW,
        "received_at": NOW,
        "data": {"accountId": account},
        "content": b"content",
        **changes,
    }
    sent = {"specversion": "1.0", "id": str(number), "source": "/tests", "type": event["kind"].type}
    return Signal.of(SalesEvent(sent={**sent, "data": event["data"]}, **event))


def happened(tenant: str, sent: Sent, account: str | None = None) -> Signal:
    """What was sent, or the same about another account."""
    number, minutes, about, contact, alias, said = sent
    at = NOW - timedelta(minutes=minutes, microseconds=number)
    of_contact = {"contact": said} if said and contact else {}
    return signal(
        tenant,
        number,
        account or about,
        contact_id=contact,
        kind=EVENT_TYPES[alias],
        occurred_at=at,
        received_at=at + timedelta(seconds=1),
        contact_says=said if contact else {},
        data={"accountId": account or about, **({"contactId": contact} if contact else {}), **of_contact},
    )


def drawn(chance: random.Random, count: int, accounts: str) -> list[Sent]:
    """Events of forty days, so many of the first account that its days are added up."""
    return [
        (
            number,
            chance.randrange(40 * 24 * 60) if number % 2 else chance.choice([3, 20]) * 24 * 60 + chance.randrange(600),
            chance.choice(accounts + accounts[0]),
            chance.choice([None, "jo@acme.example", "al@acme.example", "kim@globex.example"]),
            chance.choice(ALIASES if number % 2 else BUSY),
            {"role": chance.choice(["user", "champion"]), "seats": number} if chance.random() < 0.2 else {},
        )
        for number in range(count)
    ]


@pytest.fixture
def store(database: Database) -> PostgresSignalStore:
    return PostgresSignalStore(database)


@pytest.fixture
def said(store: PostgresSignalStore) -> Callable[..., Sequence[str]]:
    """Records that accounts are one customer, or not; gives the signals that moved."""
    numbers = iter(range(1_000_000, 2_000_000))
    merging = PostgresMerges(store)

    def say(tenant: str, kind: EventType, into: str, other: str) -> Sequence[str]:
        data = {"accountId": into, "from": other}
        about = signal(tenant, next(numbers), into, kind=kind, data=data)
        return settled(lambda: merging.apply(about)).moved.get((tenant, about.event.id), [])

    return say


def sent_in_batches(store: PostgresSignalStore, signals: Sequence[Signal]) -> None:
    for start in range(0, len(signals), 30):
        record(store, signals[start : start + 30])


def insistently(act: Callable[[], Any]) -> None:
    """Act as the dispatcher does, which comes again when accounts were merged time and again meanwhile."""
    while True:
        with suppress(AccountsMoved):
            act()
            return


def state(database_url: str, database: Database, tenant: str) -> dict[str, Any]:
    """All that is known of a tenant's accounts, stored and read, but for identities."""
    found: dict[str, Any] = {}
    with closing(connect(database_url)) as connection:
        for account, slots, engaged, *ranks in connection.run(
            "SELECT account_id, slots, engaged, engagement_rank, effort_rank, slow FROM accounts"
            " WHERE tenant_id = :tenant AND merged_into IS NULL",
            tenant=tenant,
        ):
            if slots:  # one without events is as one that is not there
                found[account] = {"sums": score.from_rows(slots), "engaged": engaged, "ranks": ranks}
        for account, contact, slots, said, *ranks in connection.run(
            "SELECT account_id, contact_id, slots, attributes, rank, slow FROM contacts WHERE tenant_id = :tenant",
            tenant=tenant,
        ):
            values = attributes.values(attributes.from_json(said))
            found[account][contact] = (score.from_rows(slots), values, ranks)
        for account, *insight in connection.run(
            "SELECT account_id, kind, contact_id, opened_at, closed_at FROM insights"
            " WHERE tenant_id = :tenant AND NOT undone ORDER BY opened_at, kind",
            tenant=tenant,
        ):
            found[account].setdefault("insights", []).append(insight)
    reader = Reader(database)
    for account in found:
        moments = [NOW - timedelta(days=days) for days in (0, 3, 10, 30)]
        found[account]["explained"] = [reader.explained(tenant, account, at) for at in moments]
        found[account]["days"] = reader.days(tenant, account, (NOW - timedelta(days=45)).date(), NOW.date(), NOW)
    return found


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_merged_accounts_are_what_one_account_with_all_their_events_is(
    store: PostgresSignalStore, database: Database, database_url: str, said: Callable[..., Any], seed: int
) -> None:
    chance = random.Random(seed)
    events = drawn(chance, 240, "abc")
    first = chance.randrange(240)
    sent_in_batches(store, [happened("merged", each) for each in events[:first]])
    said("merged", ACCOUNT_MERGED, "b", "c")
    said("merged", ACCOUNT_MERGED, "a", "b")
    sent_in_batches(store, [happened("merged", each) for each in events[first:]])
    sent_in_batches(store, [happened("one", each, "a") for each in events])
    merged = state(database_url, database, "merged")
    assert merged == state(database_url, database, "one")
    assert merged["a"]["insights"]
    assert {"buyer", "rep", "capped"} <= {slot[1] for slot in merged["a"]["sums"]}
    assert {Reader(database).account_id("merged", name) for name in "abc"} == {"a"}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_undone_accounts_are_what_they_would_be_had_they_never_been_merged(
    store: PostgresSignalStore, database: Database, database_url: str, said: Callable[..., Any], seed: int
) -> None:
    chance = random.Random(seed)
    events = drawn(chance, 240, "abc")
    one, two = sorted(chance.sample(range(240), 2))
    sent_in_batches(store, [happened("undone", each) for each in events[:one]])
    said("undone", ACCOUNT_MERGED, "b", "c")
    said("undone", ACCOUNT_MERGED, "a", "b")
    sent_in_batches(store, [happened("undone", each) for each in events[one:two]])
    said("undone", ACCOUNT_UNMERGED, "a", "b")
    if seed == 3:  # what was merged into it is with it still
        assert {name: Reader(database).account_id("undone", name) for name in "abc"} == {"a": "a", "b": "b", "c": "b"}
    said("undone", ACCOUNT_UNMERGED, "b", "c")
    sent_in_batches(store, [happened("undone", each) for each in events[two:]])
    sent_in_batches(store, [happened("never", each) for each in events])
    assert state(database_url, database, "undone") == state(database_url, database, "never")


def test_a_merge_and_a_batch_at_once_do_not_miss_each_other(
    store: PostgresSignalStore, database: Database, database_url: str, said: Callable[..., Any]
) -> None:
    """Two processes record, each with its own memory of merges, while the accounts are merged and undone."""
    events = drawn(random.Random(4), 400, "ab")

    def send(worker: int) -> None:
        with closing(Database(database_url)) as own:
            process = PostgresSignalStore(own)
            for number in range(worker, len(events), 2):
                insistently(partial(record, process, [happened("racing", events[number])]))

    def merge() -> None:
        for kind in [*[ACCOUNT_MERGED, ACCOUNT_UNMERGED] * 15, ACCOUNT_MERGED]:
            insistently(partial(said, "racing", kind, "a", "b"))

    with ThreadPoolExecutor(3) as workers:
        for done in [workers.submit(send, 0), workers.submit(send, 1), workers.submit(merge)]:
            done.result()
    sent_in_batches(store, [happened("one", each, "a") for each in events])
    assert state(database_url, database, "racing") == state(database_url, database, "one")


def test_a_moved_signal_counts_for_the_other_account_and_keeps_its_event(
    store: PostgresSignalStore, database: Database, said: Callable[..., Sequence[str]]
) -> None:
    about = signal("acme", 1, "b")
    record(store, [about])
    assert about.event.id in said("acme", ACCOUNT_MERGED, "a", "b")
    record(store, [later := signal("acme", 2, "b")])
    for each in (about, later):
        found = Reader(database).signal("acme", UUID(each.event.id))
        assert found is not None
        assert (found["account_id"], found["event"]["data"]["accountId"]) == ("a", "b")
    assert {about.event.id, later.event.id} <= {*said("acme", ACCOUNT_UNMERGED, "a", "b")}
    found = Reader(database).signal("acme", UUID(later.event.id))
    assert found is not None
    assert (found["account_id"], found["event"]["data"]["accountId"]) == ("b", "b")


def test_merging_again_changes_nothing_and_what_cannot_be_is_refused(
    store: PostgresSignalStore,
    database: Database,
    database_url: str,
    said: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    record(store, [signal("acme", number, account) for number, account in enumerate("abbcc")])
    said("acme", ACCOUNT_MERGED, "a", "b")
    before = state(database_url, database, "acme")
    assert said("acme", ACCOUNT_MERGED, "a", "b") == said("acme", ACCOUNT_MERGED, "b", "a") == []
    monkeypatch.setattr(merges, "MOST_MOVED", 1)
    for kind, into, other in (
        (ACCOUNT_MERGED, "c", "b"),  # counts for another one
        (ACCOUNT_UNMERGED, "a", "c"),
        (ACCOUNT_UNMERGED, "c", "b"),
        (ACCOUNT_UNMERGED, "b", "a"),
        (ACCOUNT_MERGED, "a", "c"),  # has too many signals
    ):
        with pytest.raises(Refused) as caught:
            said("acme", kind, into, other)
        assert [fault.pointer for fault in caught.value.faults] == ["/data/from"]
    assert state(database_url, database, "acme") == before


def test_the_names_of_accounts_are_merged_before_any_event_has_one(
    store: PostgresSignalStore, database: Database, said: Callable[..., Any]
) -> None:
    record(store, [signal("acme", 1, "a")])
    said("acme", ACCOUNT_MERGED, "a", "new")
    record(store, [signal("acme", 2, "new")])
    listed = Reader(database).accounts("acme", NOW, PAGE)
    assert [row["account_id"] for row in listed.rows] == ["a"]
