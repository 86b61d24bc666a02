"""Accounts by how their engagement has changed in a week: each change is the account's own, and a list is bounded."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from functions.adapters.postgres import account_trends
from functions.adapters.postgres.account_lists import Choice
from functions.adapters.postgres.database import Database
from functions.adapters.postgres.pages import Listed, Page
from functions.adapters.postgres.reader import Reader
from functions.adapters.postgres.signal_store import PostgresSignalStore
from functions.domain import history, score
from functions.domain.catalog import EVENT_TYPES, EventType
from functions.domain.signal import Signal
from tests.integration.test_signal_store import NOW, signal
from tests.servers.recording import record

TENANT = "acme-inc"
RISE, FALL = Choice(change="rise"), Choice(change="fall")
KINDS = [EVENT_TYPES[name] for name in sorted({kind.type for kind in EVENT_TYPES.values() if kind.points})]


@pytest.fixture(params=[1, 10_000], ids=lambda fewest: f"days from {fewest} events on")
def fewest(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """From how many events of an account on they are added up by day."""
    fold = history.fold
    monkeypatch.setattr(
        history, "fold", lambda accounts, signals, moved: fold(accounts, signals, moved, request.param, 3)
    )
    return int(request.param)


def happened(chance: random.Random, accounts: int, events: int) -> list[Signal]:
    """Events of accounts within five weeks, in the order in which they are received."""
    ages = sorted((timedelta(days=35 * chance.random() ** 2) for _ in range(events)), reverse=True)
    return [
        signal(
            number,
            kind=chance.choice(KINDS),
            account_id=f"account-{chance.randrange(accounts)}",
            contact_id=chance.choice(["jo", "kim", "lee", None]),
            occurred_at=NOW - age,
            received_at=NOW - age,
        )
        for number, age in enumerate(ages)
    ]


def recorded(database: Database, signals: list[Signal]) -> Reader:
    store = PostgresSignalStore(database)
    for start in range(0, len(signals), 50):
        record(store, signals[start : start + 50])
    return Reader(database)


def change(reader: Reader, account_id: str, at: datetime) -> tuple[float, float]:
    """Engagement of an account, and a week before, as its own page says."""
    explained = reader.explained(TENANT, account_id, at)
    assert explained is not None
    return explained["buyer"].score, explained["buyer"].score_week_ago


def walked(reader: Reader, choice: Choice, limit: int) -> Iterator[Listed]:
    """Page after page, some time apart."""
    page, at = Page(number=1, limit=limit), NOW
    while True:
        listed = reader.accounts(TENANT, at, page, choice)
        yield listed
        if listed.next is None:
            return
        page, at = Page(number=page.number + 1, limit=limit, after=listed.next), at + timedelta(days=1)


@pytest.mark.usefixtures("fewest")
@pytest.mark.parametrize("choice", [RISE, FALL])
def test_accounts_are_listed_by_the_change_that_each_of_them_shows(database: Database, choice: Choice) -> None:
    reader = recorded(database, happened(random.Random(7), 40, 400))
    changes = {f"account-{number}": change(reader, f"account-{number}", NOW) for number in range(40)}
    sign = -1 if choice is FALL else 1
    expected = sorted(changes, key=lambda name: (-sign * round(changes[name][0] - changes[name][1], 1), name))
    assert min(now - before for now, before in changes.values()) < -5 < 5 < max(n - b for n, b in changes.values())

    listed = list(walked(reader, choice, 7))
    rows = [row for page in listed for row in page.rows]
    assert [row["account_id"] for row in rows] == expected
    assert [(row["engagement"], row["engagement_week_ago"]) for row in rows] == [changes[name] for name in expected]
    assert [row["trend"] for row in rows] == [score.trend(*changes[name]) for name in expected]
    assert {(page.total, page.exact) for page in listed} == {(40, True)}
    numbered = [reader.accounts(TENANT, NOW, Page(number=number, limit=7), choice).rows for number in range(1, 7)]
    assert [row["account_id"] for rows in numbered for row in rows] == expected


def test_accounts_of_a_band_are_compared_alone(database: Database) -> None:
    reader = recorded(database, happened(random.Random(8), 30, 200))
    everything = [row for page in walked(reader, RISE, 100) for row in page.rows]
    wanted = [row for row in everything if row["band"] == "warm" and row["account_id"] >= "account-2"]
    assert 0 < len(wanted) < len(everything)
    chosen = Choice(change="rise", band="warm", prefix="ACCOUNT-")
    [listed] = walked(reader, chosen, 100)
    assert [row for row in listed.rows if row["account_id"] >= "account-2"] == wanted


def test_no_more_are_compared_than_have_a_bound(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    demo = EVENT_TYPES["demo_completed"]
    ages: dict[str, Any] = {"new": 0, "young": 1, "recent": 2, "old": 8, "older": 9, "oldest": 30}
    reader = recorded(
        database,
        [
            signal(
                days,
                kind=demo,
                account_id=name,
                occurred_at=NOW - timedelta(days=days),
                received_at=NOW,
                contact_id=None,
            )
            for name, days in ages.items()
        ],
    )
    monkeypatch.setattr(account_trends, "COMPARED", 2)
    [listed] = walked(reader, RISE, 100)
    assert [row["account_id"] for row in listed.rows[:2]] == ["new", "young"], "not what was seen before them"
    assert {row["account_id"] for row in listed.rows[2:]} == {"old", "older"}, "not what had less a week ago"
    assert (listed.total, listed.exact) == (4, False)
    monkeypatch.setattr(account_trends, "COMPARED", 3)
    assert [(page.total, page.exact) for page in walked(reader, FALL, 100)] == [(6, True)]
    monkeypatch.setattr(account_trends, "PASSED", 5)
    assert [page.exact for page in walked(reader, FALL, 100)] == [False]
    monkeypatch.setattr(account_trends, "PASSED", 6)
    monkeypatch.setattr(account_trends, "LOOKED_AT", 3)
    assert [page.exact for page in walked(reader, FALL, 100)] == [False], "there may be older signals of the week"
    silent = EventType("note.taken", "note_taken", 0, 0, 1, prefix="")
    later = NOW + timedelta(minutes=1)
    recorded(database, [signal(100 + n, kind=silent, account_id="old", occurred_at=later) for n in range(3)])
    [listed] = walked(reader, RISE, 100)
    assert {row["account_id"] for row in listed.rows} == {"old", "older", "oldest"}, (
        "all that may be looked at is silent"
    )


def test_an_account_of_another_tenant_is_in_no_list(database: Database) -> None:
    reader = recorded(database, happened(random.Random(9), 5, 20))
    assert reader.accounts("other", NOW, Page(number=1, limit=100), RISE) == Listed(
        rows=[], total=0, exact=True, next=None
    )
