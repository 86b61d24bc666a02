"""Lists of signals and notices: every row once and in order whatever comes meanwhile, at a cost that has a bound."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import count, product
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.adapters.postgres import pages as list_pages
from functions.adapters.postgres import reader as notice_lists
from functions.adapters.postgres import signal_lists
from functions.adapters.postgres.database import Database, Transaction, connect
from functions.adapters.postgres.pages import Page, Place
from functions.adapters.postgres.reader import Reader
from functions.adapters.postgres.signal_lists import SignalQuery
from functions.api.notifications import list_notifications
from functions.api.paging import Paging
from functions.api.signals import SignalList, list_signals, signal_statistics
from functions.domain.search import FILTERS
from functions.domain.searchable import text
from functions.domain.words import hashes, terms

BEGAN = datetime(2026, 11, 1, tzinfo=UTC)
TYPES = ("email_opened", "demo_completed", "page_viewed")
SORTS = ("timestamp", "processed_at", "signal_score", "points")
NUMBERS = count()

#: A signal: on which of few days it was, its account, contact, user, type, and its place in the other orders.
ROWS = st.tuples(
    st.integers(0, 2), st.sampled_from("ab"), st.sampled_from(["c", None]), st.sampled_from(["u", None]),
    st.sampled_from(TYPES), st.integers(0, 3),
)  # fmt: skip
FILTERED = st.fixed_dictionaries(
    {},
    optional={
        "accountId": st.just("a"),
        "contactId": st.just("c"),
        "userId": st.just("u"),
        "eventType": st.sampled_from(TYPES),
        "signalType": st.just("type-1"),
        "from": st.just("2026-11-02"),
        "to": st.just("2026-11-03"),
    },
)


def insert(
    database: Database, tenant: str, rows: Sequence[tuple[Any, ...]], *, words: bool = True
) -> list[dict[str, Any]]:
    """Store signals as they are, past what decides a type's score: returns them with their ids.

    Args:
        words: whether they have the words that they are found by, or not yet.
    """
    signals = [
        {
            "tenant_id": tenant,
            "id": str(uuid4()),
            "source": "/tests",
            "source_id": "1",
            "account_id": account,
            "contact_id": contact,
            "user_id": user,
            "event_type": f"io.sspp.{type_.replace('_', '.')}",
            "signal_type": f"type-{rank % 2}",
            "signal_score": rank / 4,
            "side": "buyer",
            "left_out": 0,
            "points": rank - 1,
            "half_life_days": 7,
            "timestamp": (BEGAN + timedelta(days=day)).isoformat(),
            "received_at": BEGAN.isoformat(),
            "processed_at": (BEGAN + timedelta(days=3 - rank)).isoformat(),
            "metadata": {},
            "reasons": [],
        }
        for day, account, contact, user, type_, rank in rows
    ]
    for signal in signals:
        signal["words"] = hashes(tenant, terms(text(signal, None))) if words else None
    with database.transaction() as tx:
        tx._connection.run(
            "INSERT INTO signals SELECT * FROM json_populate_recordset(CAST(NULL AS signals), CAST(:rows AS json))",
            rows=json.dumps(signals),
        )
    return signals


def backends(database: Database) -> Any:
    """Those that a list needs."""
    return SimpleNamespace(reader=Reader(database))


def walked(ask: Callable[[str | None], Any]) -> Iterator[Any]:
    """Yield page after page, each asked for by the cursor of the one before."""
    cursor: str | None = None
    for _ in range(200):
        page = ask(cursor)
        yield page
        if (cursor := page.next_cursor) is None:
            return
    raise AssertionError("the list has no end")


def fits(row: dict[str, Any], asked: dict[str, str]) -> bool:
    return (
        all(row[column] == asked[name] for name, column in FILTERS.items() if name in asked and name != "eventType")
        and ("eventType" not in asked or row["event_type"] == f"io.sspp.{asked['eventType'].replace('_', '.')}")
        and asked.get("from", "") <= row["timestamp"] < asked.get("to", "3")
    )


def naive(rows: list[dict[str, Any]], sort: str, order: str) -> list[str]:
    """The ids in order: those of equal rank the other way round only where the order is that of time."""
    latest_first = sorted(rows, key=lambda row: (row[sort], UUID(row["id"])), reverse=True)
    if order == "asc":
        latest_first.reverse()
        if sort != "timestamp":
            latest_first.sort(key=lambda row: UUID(row["id"]), reverse=True)
            latest_first.sort(key=lambda row: row[sort])
    return [row["id"] for row in latest_first]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_all_pages_have_every_signal_once_and_in_order_whatever_comes_meanwhile(
    database: Database, data: st.DataObject
) -> None:
    tenant = f"walk-{next(NUMBERS)}"
    first = insert(database, tenant, data.draw(st.lists(ROWS, max_size=14), "signals"))
    stored = list(first)
    asked, order = data.draw(FILTERED, "filters"), data.draw(st.sampled_from(["asc", "desc"]), "order")
    sort = data.draw(st.sampled_from(SORTS), "sort")
    seen: list[str] = []
    # In the order of time no row is beyond reach, however few one question may look at.
    few = data.draw(st.sampled_from([1, 3, 10_000]), "looked at") if sort == "timestamp" else 10_000
    words = data.draw(st.booleans(), "all have words")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(signal_lists, "LOOKED_AT", few)
        patched.setattr(signal_lists, "NEAR", 1)

        def ask(cursor: str | None) -> Any:
            limit = data.draw(st.integers(1, 5), "limit")
            query = SignalList.model_validate(
                {**asked, "limit": limit, "sortBy": sort, "sortOrder": order, **({"cursor": cursor} if cursor else {})}
            )
            return list_signals(backends(database), tenant, query=query)

        for number, page in enumerate(walked(ask), 1):
            assert page.pagination.page == number
            seen += [row.id for row in page.data]
            if number < 4:
                stored += insert(database, tenant, data.draw(st.lists(ROWS, max_size=2), "meanwhile"), words=words)
    by_id = {row["id"]: row for row in stored}
    assert seen == naive([by_id[id_] for id_ in set(seen)], sort, order)
    assert all(fits(by_id[id_], asked) for id_ in seen)
    assert {row["id"] for row in first if fits(row, asked)} <= set(seen)


@pytest.mark.parametrize("sort", SORTS[1:])
def test_another_order_than_that_of_time_is_one_of_the_newest_signals_and_stays_so_on_all_pages(
    database: Database, monkeypatch: pytest.MonkeyPatch, sort: str
) -> None:
    monkeypatch.setattr(signal_lists, "LOOKED_AT", 6)
    old = insert(database, "acme", [(0, "a", None, None, TYPES[0], 3)] * 5)
    new = insert(database, "acme", [(day, "a", None, None, TYPES[0], rank) for day, rank in product((1, 2), range(3))])

    def ask(cursor: str | None) -> Any:
        page = list_signals(backends(database), "acme", query=SignalList(sortBy=sort, limit=2, cursor=cursor))
        insert(database, "acme", [(3, "a", None, None, TYPES[0], 3)])
        return page

    pages = list(walked(ask))
    assert [row.id for page in pages for row in page.data] == naive(new, sort, "desc")
    assert {page.pagination.total_is for page in pages} == {"at least"}
    assert len(old) == 5


@pytest.mark.parametrize(
    ("rows", "total", "total_is"), [(0, 0, "exact"), (4, 4, "exact"), (5, 5, "exact"), (6, 5, "at least")]
)
def test_a_total_is_exact_up_to_as_many_as_are_looked_at(
    database: Database, monkeypatch: pytest.MonkeyPatch, rows: int, total: int, total_is: str
) -> None:
    monkeypatch.setattr(signal_lists, "LOOKED_AT", 5)
    monkeypatch.setattr(notice_lists, "LOOKED_AT", 5)
    monkeypatch.setattr(list_pages, "LOOKED_AT", 5)
    insert(database, "acme", [(0, "a", None, "u", TYPES[0], 1)] * rows)
    notices(database, "acme", [0] * rows)
    for query in (SignalList(limit=2), SignalList(limit=2, sortBy="points"), SignalList(limit=2, userId="u")):
        listed: Any = list_signals(backends(database), "acme", query=query)
        found = listed.pagination
        assert (found.total, found.total_is, found.totalPages) == (total, total_is, (total + 1) // 2)
    listed = list_notifications(backends(database), "acme", query=Paging(limit=2))
    found = listed.pagination
    assert (found.total, found.total_is) == (total, total_is)
    counted: Any = signal_statistics(backends(database), "acme", query=SignalList(accountId="a"))
    assert (counted.total_signals, counted.total_is) == (total, total_is)


def test_a_page_that_found_too_few_says_where_to_go_on(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal_lists, "LOOKED_AT", 4)
    [rare] = insert(database, "acme", [(0, "a", None, None, TYPES[0], 1)])
    insert(database, "acme", [(1, "a", None, None, TYPES[0], 2)] * 9, words=False)

    def ask(cursor: str | None) -> Any:
        return list_signals(backends(database), "acme", query=SignalList(signalType="type-1", cursor=cursor))

    pages = list(walked(ask))
    assert [[row.id for row in page.data] for page in pages] == [[], [], [rare["id"]]]
    assert [page.pagination.total_is for page in pages] == ["at least"] * 3


@pytest.mark.parametrize(("rare", "total_is"), [(3, "exact"), (4, "exact"), (5, "at least")])
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_what_is_rare_is_found_at_once_and_counted_where_all_signals_have_their_words(
    database: Database, monkeypatch: pytest.MonkeyPatch, order: str, rare: int, total_is: str
) -> None:
    monkeypatch.setattr(signal_lists, "LOOKED_AT", 4)
    monkeypatch.setattr(signal_lists, "NEAR", 3)
    old = [insert(database, "acme", [(0, "a", None, "ann!", TYPES[0], 1)])[0] for _ in range(rare - 2)]
    insert(database, "acme", [(1, "a", None, "bob", TYPES[0], 2)] * 9)
    insert(database, "other", [(0, "a", None, "ann!", TYPES[0], 1)], words=False)
    new = insert(database, "acme", [(2, "a", None, "ann!", TYPES[0], 1)] * 2)
    insert(database, "acme", [(3, "a", None, "ann", TYPES[0], 1)] * 3)

    def ask(cursor: str | None) -> Any:
        query = SignalList(userId="ann!", limit=3, sortOrder=order, cursor=cursor)
        return list_signals(backends(database), "acme", query=query)

    pages = list(walked(ask))
    assert [row.id for page in pages for row in page.data] == naive([*old, *new], "timestamp", order)
    assert {page.pagination.total_is for page in pages} == {total_is}
    if total_is == "exact":
        assert [page.pagination.total for page in pages] == [rare] * -(-rare // 3)
    insert(database, "acme", [(0, "a", None, "ann!", TYPES[0], 1)], words=False)
    assert {page.pagination.total_is for page in walked(ask)} == {"at least"}


def test_statistics_are_those_of_a_naive_count(database: Database) -> None:
    nothing: Any = signal_statistics(backends(database), "acme", query=SignalList())
    assert (nothing.total_signals, nothing.avg_signal_score, nothing.signals_by_type) == (0, None, {})
    insert(database, "acme", [(0, "a", None, "u", TYPES[0], 1), (1, "b", None, None, TYPES[0], 2)])
    insert(database, "acme", [(0, "a", None, "v", TYPES[1], 3)])
    insert(database, "other", [(0, "a", None, "w", TYPES[2], 3)])
    assert signal_statistics(backends(database), "acme", query=SignalList()).model_dump() == {
        "total_signals": 3,
        "unique_accounts": 2,
        "unique_users": 2,
        "avg_signal_score": 0.5,
        "signals_by_type": {"type-1": 2, "type-0": 1},
        "signals_by_event": {"io.sspp.email.opened": 2, "io.sspp.demo.completed": 1},
        "signals_by_day": {"2026-11-01": 2, "2026-11-02": 1},
        "total_is": "exact",
    }


def notices(database: Database, tenant: str, days: Sequence[int]) -> None:
    with database.transaction() as tx:
        for day in days:
            tx._connection.run(
                "INSERT INTO notices (tenant_id, id, kind, title, created_at)"
                " VALUES (:tenant, :id, 'quota', 'quota', :at)",
                tenant=tenant,
                id=str(uuid4()),
                at=BEGAN + timedelta(days=day),
            )


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(days=st.lists(st.integers(0, 1), max_size=9), limit=st.integers(1, 4))
def test_all_pages_have_every_notice_once_the_newest_first(database: Database, days: list[int], limit: int) -> None:
    tenant = f"notices-{next(NUMBERS)}"
    notices(database, tenant, days)

    def ask(cursor: str | None) -> Any:
        page = list_notifications(backends(database), tenant, query=Paging(limit=limit, cursor=cursor))
        notices(database, tenant, [2])
        return page

    seen = [row for page in walked(ask) for row in page.data]
    assert len({row.id for row in seen}) == len(days)
    assert [(row.created_at, row.id) for row in seen] == sorted([(r.created_at, r.id) for r in seen], reverse=True)


PAGES = (
    Page(number=1, limit=20),
    Page(number=50, limit=20),
    Page(number=2, limit=20, after=Place(BEGAN + timedelta(days=1), UUID(int=0))),
)


def scanned(plan: dict[str, Any]) -> float:
    """The rows that a plan read, those that it threw away too."""
    own = 0.0
    if "Scan" in plan["Node Type"] and "Relation Name" in plan:
        own = plan["Actual Loops"] * (plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0))
    return own + sum(scanned(inner) for inner in plan.get("Plans", ()))


def test_no_question_reads_more_rows_than_it_may_whatever_was_asked_before(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signal_lists, "LOOKED_AT", 1_000)
    read: list[tuple[float, str]] = []
    run = Transaction._run

    def explained(tx: Transaction, sql: str, parameters: Any) -> Any:
        [[[plan]]] = tx._connection.run(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", **parameters)
        read.append((scanned(plan["Plan"]), sql))
        return run(tx, sql, parameters)

    with closing(Database(database_url, planned_anew=True)) as database:
        many_signals(database_url)
        reader = Reader(database)
        for _ in range(8):
            reader.signals(SignalQuery(tenant_id="acme", filters={}), PAGES[1])
        monkeypatch.setattr(Transaction, "_run", explained)
        for named in product(("a1", None), ("c7", None), ("u1", None), ("io.sspp.t3", None), ("type-1", None)):
            filters = dict(zip(FILTERS.values(), (named[0], named[2], named[1], *named[3:]), strict=True))
            for page, sort in product(PAGES, SORTS):
                if sort == "timestamp" or page.after is None:
                    reader.signals(SignalQuery(tenant_id="acme", filters=filters, sort=sort), page)
            reader.statistics(SignalQuery(tenant_id="acme", filters=filters, since=BEGAN))
    most, sql = max(read)
    # In another order than that of time there is room for those that came since, and a page is read by its ids.
    assert most <= 2 * 1_000 + 21 + 33, sql


def many_signals(database_url: str) -> None:
    """30,000 signals of one tenant with few accounts, contacts, users and types, and as many of another."""
    with closing(connect(database_url)) as connection:
        connection.run(
            "INSERT INTO signals (tenant_id, id, source, source_id, event_type, account_id, contact_id, user_id,"
            ' signal_type, signal_score, side, points, half_life_days, "timestamp", received_at, metadata, reasons)'
            " SELECT CASE n % 2 WHEN 0 THEN 'acme' ELSE 'other' END, gen_random_uuid(), '/tests', n,"
            " 'io.sspp.t' || n % 14 / 2, 'a' || n % 6 / 2, 'c' || n % 26 / 2, 'u' || n % 10 / 2,"
            " 'type-' || n % 38 / 2, 0.5, 'buyer', n % 9, 7,"
            " TIMESTAMPTZ '2026-11-01' + n * interval '1 minute', now(), '{}', '[]'"
            " FROM generate_series(1, 60000) AS n"
        )
        connection.run("VACUUM ANALYZE signals")
