"""Signals hold the words they are found by, those of earlier versions too once the clock has looked at them."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings

from events.cloudevent import event_id
from events.settings import TickSettings
from functions.adapters.postgres import migrate as schema
from functions.adapters.postgres import search as searching
from functions.adapters.postgres import unsearched
from functions.adapters.postgres.database import Database, connect
from functions.adapters.postgres.search import PostgresSearchIndex
from functions.adapters.postgres.signal_store import PostgresSignalStore
from functions.domain import words as hashing
from functions.domain.search import SearchQuery
from functions.domain.words import words
from functions.local.postgres import as_login
from functions.service import searchable
from tests.conftest import cloned
from tests.integration.test_whole_events import EVENT, EVENTS, TENANT, delivered
from tests.servers.parts import PASSWORD


@pytest.fixture
def store(database: Database) -> PostgresSignalStore:
    return PostgresSignalStore(database)


def found(database: Database, text: str = "", **asked: Any) -> list[str]:
    query = SearchQuery(tenant_id=TENANT, words=words(text), limit=100, **asked)
    return [str(hit.row["id"]) for hit in PostgresSearchIndex(database).search(query).hits]


def total(database: Database, text: str, **asked: Any) -> tuple[int, bool]:
    counts = PostgresSearchIndex(database).search(SearchQuery(tenant_id=TENANT, words=words(text), **asked)).counts
    return counts.total, counts.at_least


def id_of(event: Mapping[str, Any]) -> str:
    return event_id(TENANT, "/crm", event["id"])


@pytest.mark.parametrize("text", ["team", "25", "eu", "deal", "schemas", "ann", "globex", "true", "plan"])
def test_a_signal_is_found_by_any_text_of_its_event(database: Database, store: PostgresSignalStore, text: str) -> None:
    delivered(store, EVENT, {**EVENT, "id": "2", "data": {"accountId": "a"}})
    assert id_of(EVENT) in found(database, text)
    assert found(database, "accountid") == [], "names that every event has say nothing"


def test_an_event_of_more_text_than_is_looked_up_is_found(database: Database, store: PostgresSignalStore) -> None:
    many = {"accountId": "globex", "words": [f"word{number}" for number in range(80_000)]}
    deep = {"accountId": "globex", "deep": json.loads("[" * 150 + '"bottom"' + "]" * 150)}
    delivered(store, {**EVENT, "id": "1", "data": many}, {**EVENT, "id": "2", "data": deep})
    assert len(found(database, "word1")) == len(found(database, "bottom")) == 1


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(EVENTS)
def test_a_signal_has_the_words_that_its_row_gives_again(database: Database, given: dict[str, Any]) -> None:
    who = given.pop("who", {})
    event = {**EVENT, **given, "data": {**given["data"], **who, "accountId": "globex"}}
    stored = PostgresSignalStore(database)
    with database.transaction() as tx:
        tx._connection.run("DELETE FROM signals")
    delivered(stored, event)
    query = "SELECT words FROM signals"
    with database.transaction() as tx:
        tx._connection.run("DELETE FROM signals WHERE signal_type = 'insight'")
        [[written]] = tx._connection.run(query)
        tx._connection.run("UPDATE signals SET words = NULL")
    assert unsearched.UnsearchedSignals(database).fill() == 1
    with database.transaction() as tx:
        assert tx._connection.run(query) == [[written]]


def test_where_another_engine_searches_signals_have_no_words(database: Database) -> None:
    delivered(PostgresSignalStore(database, searched=False), {**EVENT, "type": "page_viewed"})
    assert found(database, "globex") == []
    assert unsearched.UnsearchedSignals(database).fill() == 0
    with database.transaction() as tx:  # docs/cli.md: once Elasticsearch is given up
        tx._connection.run("UPDATE signals SET words = NULL WHERE words = '{}'")
    assert unsearched.UnsearchedSignals(database).fill() == 1
    assert found(database, "globex") == [id_of(EVENT)]


def test_words_of_the_same_hash_are_no_hit(
    database: Database, store: PostgresSignalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (hashing, searching):
        monkeypatch.setattr(module, "hashes", lambda tenant, of: [1] if list(of) else [])
    monkeypatch.setattr("functions.domain.searchable.hashes", lambda tenant, of: [1])
    delivered(store, EVENT, {**EVENT, "id": "2", "data": {"accountId": "initech"}})
    assert found(database, "initech") == [event_id(TENANT, "/crm", "2")]
    assert total(database, "initech") == (1, False)
    assert total(database, "nobody") == (0, False)


# --- both ways to the same hits


@pytest.fixture
def many(database: Database, store: PostgresSignalStore, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Four hundred signals, where few are many: a common word, one of every tenth, and one of the first three."""
    for name, most in {"NEAR": 10, "DENSE_WALK": 30, "SAMPLE_WALK": 20, "MOST_COUNTED": 25}.items():
        monkeypatch.setattr(searching, name, most)
    for start in range(0, 400, 100):
        events = [
            {
                **EVENT,
                "id": str(number),
                "time": f"2026-03-04T12:{number // 60:02}:{number % 60:02}Z",
                "data": {
                    "accountId": f"a{number % 4}",
                    "metadata": {
                        "often": "common",
                        **({"some": "tenth"} if number % 10 == 0 else {}),
                        **({"old": "rare"} if number < 3 else {}),
                        **({"once": "old"} if number < 100 else {}),
                    },
                },
            }
            for number in range(start, start + 100)
        ]
        delivered(store, *events)
    return database


@pytest.mark.parametrize("dense", [0.4, 2.0])
@pytest.mark.parametrize(
    ("text", "filters", "numbers"),
    [
        ("common", {}, range(400)),
        ("tenth", {}, range(0, 400, 10)),
        ("rare", {}, range(3)),
        ("once", {}, range(100)),
        ("once tenth", {}, range(0, 100, 10)),
        ("common", {"account_id": "a2"}, range(2, 400, 4)),
        ("tenth", {"account_id": "a1"}, []),
        ("", {"account_id": "a3"}, range(3, 400, 4)),
        ("", {}, range(400)),
    ],
)
def test_every_hit_is_on_one_page_whichever_way_it_is_found(
    many: Database, monkeypatch: pytest.MonkeyPatch, dense: float, text: str, filters: dict[str, str], numbers: Any
) -> None:
    monkeypatch.setattr(searching, "DENSE", dense)  # 2: no word is so common that it is counted by a walk
    expected = [event_id(TENANT, "/crm", str(number)) for number in sorted(numbers, reverse=True)]
    index, got, after = PostgresSearchIndex(many), [], None
    while True:
        query = SearchQuery(tenant_id=TENANT, words=words(text), filters=filters, limit=7, after=after)
        answer = index.search(query)
        got += [hit.row["id"] for hit in answer.hits]
        assert (answer.counts.total, answer.counts.at_least) == (min(25, len(expected)), len(expected) > 25)
        after = answer.next
        if after is None:
            break
    assert got == expected


def test_facets_are_those_of_all_hits_or_of_the_newest(many: Database) -> None:
    index = PostgresSearchIndex(many)
    ask = lambda text, **more: index.search(SearchQuery(tenant_id=TENANT, words=words(text), **more)).counts  # noqa: E731
    assert ask("rare").facets["account_id"] == {"a0": 1, "a1": 1, "a2": 1}
    assert ask("common").facets["account_id"] == {"a3": 7, "a0": 6, "a1": 6, "a2": 6}
    assert ask("tenth").facets["account_id"] == {"a0": 1, "a2": 1}, "of a sample of the newest"
    without = ask("common", facets=False)
    assert (without.total, without.at_least, without.days) == (25, True, {})
    assert set(map(len, without.facets.values())) == {0}


# --- tenants


def test_a_reader_gets_no_signal_of_another_tenant_by_the_index(
    database: Database, store: PostgresSignalStore, database_url: str
) -> None:
    delivered(store, {**EVENT, "type": "page_viewed"})
    with closing(connect(database_url)) as connection:
        [[hashes]] = connection.run("SELECT words FROM signals")
        connection.run("SET ROLE sspp_reader")
        for tenant, expected in ((TENANT, 1), ("another", 0), ("", 0)):
            connection.run("SELECT set_config('sspp.tenant', :tenant, false)", tenant=tenant)
            found = connection.run(
                "SELECT id FROM find_signals(:asked, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 10)", asked=hashes[:1]
            )
            assert len(found) == expected
            assert len(connection.run("SELECT id FROM signals")) == expected


def test_the_index_is_used_for_what_it_is_there_for(database: Database, many: Database, database_url: str) -> None:
    with closing(connect(database_url)) as connection:
        [[hashes]] = connection.run("SELECT words FROM signals LIMIT 1")
        connection.run("SELECT set_config('sspp.tenant', :tenant, false)", tenant=TENANT)
        connection.run("LOAD 'auto_explain'")
        connection.run("SET auto_explain.log_min_duration = 0")
        connection.run("SET auto_explain.log_nested_statements = on")
        connection.run("SET client_min_messages = log")
        connection.run(
            "SELECT id FROM find_signals(:asked, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 10)", asked=hashes[:1]
        )
        plans = " ".join(str(notice) for notice in connection.notices)
    assert "Bitmap Index Scan on signals_words" in plans


# --- what earlier versions recorded


def test_what_an_earlier_version_recorded_is_found_once_the_clock_has_looked(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unsearched, "AT_ONCE", 7)
    empty = urlsplit(postgres_url)._replace(path="/template0").geturl()
    with cloned(empty) as url, closing(connect(url)) as connection, closing(Database(url)) as database:
        schema.upgrade(url, "0013")
        connection.run(
            "INSERT INTO signals (tenant_id, id, source, source_id, event_type, account_id, contact_id, signal_type,"
            " signal_score, side, points, half_life_days, timestamp, received_at, processed_at, metadata, reasons)"
            " SELECT :tenant, gen_random_uuid(), '/s', number, 'email_opened', 'globex', 'ann@globex.example',"
            " 'engagement', 0.3, 'buyer', 1, 7, at, at, at, '{\"note\": \"Zoë looked\"}', '[]'"
            " FROM generate_series(1, 30) AS number, LATERAL"
            " (SELECT now() - number * interval '1 hour' AS at) AS moment",
            tenant=TENANT,
        )
        # One whose event is kept, with an attribute that only the event has.
        connection.run(
            "UPDATE signals SET metadata = NULL, event ="
            ' \'{"specversion": "1.0", "region": "Saarland", "data": {"accountId": ""}}\''
            " WHERE source_id = '30'"
        )
        schema.upgrade(url, passwords={"tick": PASSWORD})
        assert (found(database, "zoë"), len(found(database))) == ([], 30)
        clock = TickSettings.read(
            {"DATABASE_URL": as_login(url, "tick", PASSWORD), "REDIS_URL": "redis://127.0.0.1:1"}
        )
        monkeypatch.setattr(searchable, "LONGEST_S", 0.0)
        assert searchable.fill(clock, time.monotonic) == 7
        assert len(found(database, "zoë")) == 7
        [[newest]] = connection.run("SELECT id FROM signals ORDER BY processed_at DESC LIMIT 1")
        assert str(newest) in found(database, "zoë"), "the latest come first"
        monkeypatch.setattr(searchable, "LONGEST_S", 60.0)
        assert searchable.fill(clock, time.monotonic) == 23
        assert searchable.fill(clock, time.monotonic) == 0
        assert (len(found(database, "zoë")), len(found(database, "saarland ann"))) == (29, 1)
