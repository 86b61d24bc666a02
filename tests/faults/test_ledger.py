"""The books themselves: whatever is lost, doubled or made up is seen."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime

import pytest

from events import batch, cloudevent
from functions.adapters.postgres.database import Database, connect
from functions.adapters.postgres.merges import PostgresMerges
from functions.adapters.postgres.signal_store import PostgresSignalStore
from functions.adapters.postgres.tenants import PostgresTenants
from functions.domain.evaluation import STOPPED_CLOCKS
from functions.domain.signal import instant
from functions.local.demo_tenant import DEMO_RULE, DEMO_RULE_DEFINITION
from functions.process.handler import process
from tests.faults.ledger import SOURCE, Audit, Ledger, audit

TENANT = "acme"
EVENTS = [
    {
        "specversion": "1.0",
        "id": f"event-{number}",
        "source": SOURCE,
        "type": "io.sspp.demo.completed",
        "data": {"accountId": f"account-{number % 3}"},
    }
    for number in range(9)
]


@pytest.fixture
def ledger(database_url: str) -> Ledger:
    """Nine events on three accounts, processed as they should be, and the book of their sender."""
    stamps = {"sspptenant": TENANT, "ssppreceived": instant(datetime.now(UTC))}
    raws = [cloudevent.stamp(json.dumps(event).encode(), **stamps) for event in EVENTS]
    with closing(Database(database_url)) as database:
        PostgresTenants(database).put(TENANT, "Acme")
        PostgresTenants(database).put_rule(TENANT, DEMO_RULE, DEMO_RULE_DEFINITION)
        store = PostgresSignalStore(database)
        process(_events(raws), store, STOPPED_CLOCKS, PostgresMerges(store).apply)
    with closing(connect(database_url)) as connection:
        connection.run("UPDATE notices SET sent_at = now()")
    book = Ledger()
    book.offer(TENANT, EVENTS)
    answers = [
        {"status": 202, "id": cloudevent.event_id(TENANT, SOURCE, str(event["id"])), "duplicate": False}
        for event in EVENTS
    ]
    book.answer(TENANT, EVENTS, answers)
    return book


def _events(raws: Sequence[bytes]) -> list[cloudevent.CloudEvent]:
    read = batch.parse_events(batch.join_batch(raws), limit=100)
    return [event for event in read if isinstance(event, cloudevent.CloudEvent)]


def audited(ledger: Ledger, database_url: str, *statements: str, exempt: bool = False) -> Audit:
    """The audit after ``statements``; every notice was mailed that had been written before them."""
    with closing(connect(database_url)) as connection:
        mails = {str(row[0]): 1 for row in connection.run("SELECT id FROM notices")}
        for statement in statements:
            connection.run(statement)
        found = {
            (row[0], str(row[1])) for row in connection.run("SELECT tenant_id, id FROM signals WHERE words <> '{}'")
        }
    return audit(ledger, database_url, lambda _: found, mails, tenants=[TENANT], exempt=lambda _: exempt)


def test_books_that_agree_say_so(ledger: Ledger, database_url: str) -> None:
    found = audited(ledger, database_url)
    assert (found.accepted, found.lost, found.doubled, found.wrong) == (9, 0, 0, [])


ONE = "source_id = 'event-0'"


def added_to_sums(amount: int) -> str:
    """What adds so much to every sum of an account."""
    return (
        "UPDATE accounts SET slots = (SELECT json_agg(json_build_array(one -> 0, one -> 1, one -> 2, one -> 3,"
        f" one -> 4, CAST(one ->> 5 AS numeric) + {amount}, one -> 6, one -> 7)) FROM"
        " json_array_elements(slots) AS one)"
        " WHERE account_id = 'account-0'"
    )


@pytest.mark.parametrize(
    ("statement", "lost", "doubled"),
    [
        (f"DELETE FROM signals WHERE {ONE}", True, True),  # its points are in the sums, and it is billed
        ("UPDATE signals SET words = '{}' WHERE account_id = 'account-0'", True, False),
        ("UPDATE usage SET events = events + 1", False, True),
        ("UPDATE usage SET events = events - 1", True, False),
        (added_to_sums(1), False, True),
        (added_to_sums(-1), True, False),
        ("UPDATE accounts SET slots = '[]' WHERE account_id = 'account-0'", True, False),
        ("DELETE FROM notices WHERE account_id = 'account-0'", True, False),
        ("UPDATE notices SET sent_at = NULL WHERE account_id = 'account-0'", True, False),
        ("UPDATE notices SET id = gen_random_uuid() WHERE account_id = 'account-0'", True, False),  # no mail of it
        (
            "INSERT INTO notices (tenant_id, id, kind, title, recipient, event_id, rule_id, rule_version, account_id,"
            " episode, engagement, created_at, sent_at) SELECT tenant_id, gen_random_uuid(), kind, title, recipient,"
            " event_id, rule_id, rule_version, account_id, 2, engagement, created_at, sent_at FROM notices",
            True,  # and no mail of it
            True,
        ),
    ],
)
def test_what_is_missing_or_there_twice_is_seen(
    statement: str, lost: bool, doubled: bool, ledger: Ledger, database_url: str
) -> None:
    found = audited(ledger, database_url, statement)
    assert (found.lost > 0, found.doubled > 0) == (lost, doubled), found.wrong
    assert not found.clean


def test_what_nobody_sent_is_seen(ledger: Ledger, database_url: str) -> None:
    ledger.offered.discard((TENANT, "event-0"))
    del ledger.acknowledged[TENANT, "event-0"]
    found = audited(ledger, database_url)
    assert (found.lost, found.doubled, len(found.wrong)) == (0, 0, 1)


def test_an_event_that_was_new_twice_is_doubled(ledger: Ledger, database_url: str) -> None:
    ledger.fresh[TENANT, "event-0"] += 1
    assert audited(ledger, database_url).doubled == 1


def test_what_a_fault_may_cost_is_counted_apart(ledger: Ledger, database_url: str) -> None:
    ledger.offer(TENANT, [{"id": "late"}])
    ledger.acknowledged[TENANT, "late"] = 1.0
    assert audited(ledger, database_url).lost == 1
    excused = audited(ledger, database_url, exempt=True)
    assert (excused.lost, excused.exempt, excused.clean) == (0, 1, True)
