"""Lists of accounts by when they were last seen: each account once, in order, however few signals a page looks at."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

import pytest

from functions.adapters.postgres import account_lists
from functions.adapters.postgres.account_lists import Choice
from functions.adapters.postgres.database import Database
from functions.adapters.postgres.pages import Page
from functions.adapters.postgres.reader import Reader
from functions.adapters.postgres.signal_store import PostgresSignalStore
from functions.domain.catalog import EVENT_TYPES, EventType
from functions.domain.signal import instant
from tests.integration.test_signal_store import NOW, signal
from tests.servers.recording import record

ALIASES = ("demo_completed", "email_clicked", "call_made")


@pytest.fixture
def seen(database: Database) -> dict[str, tuple[datetime, str]]:
    """Accounts, one with most of the signals, some at the same moment: when and by which signal each was last seen."""
    chance = random.Random(5)
    latest: dict[str, tuple[datetime, str]] = {}
    signals = []
    for number in range(300):
        account = "loud" if chance.random() < 0.7 else f"account-{chance.randrange(30):02}"
        at = NOW - timedelta(hours=chance.randrange(200))
        kind = EVENT_TYPES[ALIASES[sum(account.encode()) % 3]]
        signals.append(signal(number, account_id=account, kind=kind, occurred_at=at))
        latest[account] = max(latest.get(account, (at, "")), (at, signals[-1].event.id))
    silent = EventType("note.taken", "note_taken", 0, 0, 1, prefix="")
    signals += [
        signal(number, account_id="loud", kind=silent, occurred_at=NOW - timedelta(hours=chance.randrange(200)))
        for number in range(300, 340)
    ]
    record(PostgresSignalStore(database), signals)
    return latest


def walked(database: Database, choice: Choice, limit: int) -> list[dict[str, Any]]:
    """The rows of all pages, by cursor."""
    rows: list[dict[str, Any]] = []
    page: Page | None = Page(number=1, limit=limit)
    while page:
        listed = Reader(database).accounts("acme-inc", NOW, page, choice)
        assert len(listed.rows) <= limit
        rows += listed.rows
        page = Page(number=page.number + 1, limit=limit, after=listed.next) if listed.next else None
    return rows


@pytest.mark.parametrize(("looked_at", "short"), [(1, 20), (7, 1), (10_000, 1), (10_000, 20)])
@pytest.mark.parametrize("limit", [1, 4, 100])
@pytest.mark.parametrize("chosen", [{}, {"active": "rep"}, {"band": "warm"}, {"prefix": "account-1"}])
def test_accounts_are_walked_by_when_they_were_last_seen(
    database: Database,
    seen: dict[str, tuple[datetime, str]],
    monkeypatch: pytest.MonkeyPatch,
    looked_at: int,
    short: int,
    limit: int,
    chosen: dict[str, Any],
) -> None:
    by_points = {row["account_id"] for row in walked(database, Choice(**chosen), 100)}
    assert by_points
    monkeypatch.setattr(account_lists, "LOOKED_AT", looked_at)
    monkeypatch.setattr(account_lists, "SHORT_WALK", short)
    rows = walked(database, Choice(by=None, **chosen), limit)
    expected = sorted(by_points, key=lambda account: seen[account], reverse=True)
    assert [row["account_id"] for row in rows] == expected
    assert [row["last_seen"] for row in rows] == [instant(seen[account][0]) for account in expected]


@pytest.mark.usefixtures("seen")
def test_a_page_is_full_however_many_signals_its_first_account_has(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account_lists, "SHORT_WALK", 1)
    listed = Reader(database).accounts("acme-inc", NOW, Page(number=1, limit=20), Choice(by=None))
    assert (len(listed.rows), listed.next is None) == (20, False)


def test_pages_by_number_go_on_where_the_one_before_ended(
    database: Database, seen: dict[str, tuple[datetime, str]]
) -> None:
    pages = [
        Reader(database).accounts("acme-inc", NOW, Page(number=number, limit=6), Choice(by=None)).rows
        for number in range(1, 8)
    ]
    expected = sorted(seen, key=lambda account: seen[account], reverse=True)
    assert [row["account_id"] for rows in pages for row in rows] == expected
