"""The index is a copy of what is recorded, whatever told of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from typing import Any
from uuid import UUID, uuid4

import pytest

from events.batch import parse_events
from events.cloudevent import CloudEvent, event_id
from functions.adapters.postgres.database import Database, connect
from functions.adapters.postgres.recorded_signals import SLICE_BYTES, PostgresRecordedSignals
from functions.adapters.postgres.search import PostgresSearchIndex
from functions.adapters.postgres.signal_store import PostgresSignalStore
from functions.adapters.postgres.tenants import PostgresTenants
from functions.domain.plan import OwnEventType
from functions.domain.search import SearchQuery, words
from functions.index.handler import index
from tests.integration.test_whole_events import EVENT, TENANT, delivered


@pytest.fixture
def store(database: Database) -> PostgresSignalStore:
    return PostgresSignalStore(database)


@pytest.fixture
def search(database: Database) -> PostgresSearchIndex:
    return PostgresSearchIndex(database)


def indexed(database: Database, results: Sequence[Any]) -> list[int]:
    """Index what process replied; gives the statuses."""
    raws = [reply.event for result in results for reply in result.replies if reply.channel == "signals"]
    told = [
        event for event in parse_events(f"[{','.join(raws)}]".encode(), limit=500) if isinstance(event, CloudEvent)
    ]
    assert len(told) == len(results)
    answers = index(told, PostgresRecordedSignals(database), PostgresSearchIndex(database))
    return [answer.status for answer in answers]


def found(search: PostgresSearchIndex, text: str = "") -> list[dict[str, Any]]:
    return [dict(hit.row) for hit in search.search(SearchQuery(tenant_id=TENANT, words=words(text), limit=100)).hits]


def note(points: int) -> OwnEventType:
    return OwnEventType(type="note.taken", signal="note", score=0.5, points=points, halfLifeDays=7)


def test_a_document_says_what_was_recorded_though_its_events_type_has_changed(
    database: Database, store: PostgresSignalStore, search: PostgresSearchIndex
) -> None:
    tenants = PostgresTenants(database)
    tenants.put(TENANT, "Acme")
    tenants.put_event_type(TENANT, note(5))
    event = {**EVENT, "type": "note.taken"}
    delivered(store, event)
    tenants.put_event_type(TENANT, note(50))
    assert indexed(database, delivered(store, event)) == [200]
    [row] = found(search)
    assert row["points"] == 5


@pytest.mark.parametrize("text", ["team", "25", "eu", "deal", "schemas", "ann", "globex", "true", "plan"])
def test_a_document_is_found_by_any_text_of_its_event(
    database: Database, store: PostgresSignalStore, search: PostgresSearchIndex, text: str
) -> None:
    assert indexed(database, delivered(store, EVENT, {**EVENT, "id": "2", "data": {"accountId": "a"}})) == [200, 200]
    assert event_id(TENANT, "/crm", "1") in [row["id"] for row in found(search, text)]
    assert found(search, "accountid") == [], "names that every event has say nothing"


def test_events_of_any_size_are_read_in_slices_of_a_bounded_one(
    database: Database, store: PostgresSignalStore, search: PostgresSearchIndex
) -> None:
    numbers = range(5)
    large = {"accountId": "globex", "text": "x" * 900_000}
    events = [{**EVENT, "id": str(number), **({"data": large} if number else {})} for number in numbers]
    results = delivered(store, *events)
    asked = [(TENANT, UUID(event_id(TENANT, "/crm", event["id"]))) for event in events]
    slices = list(PostgresRecordedSignals(database).read(asked))
    assert [len(each) for each in slices] == [2, 1, 1, 1]
    assert all(sum(len(json.dumps(signal.event)) for signal in each[:-1]) < SLICE_BYTES for each in slices)
    assert indexed(database, results) == [200] * 5
    assert len(found(search)) == 5


def test_a_batch_of_usual_events_is_read_at_once(database: Database, store: PostgresSignalStore) -> None:
    delivered(store, *({**EVENT, "id": str(number)} for number in range(100)))
    asked = [(TENANT, UUID(event_id(TENANT, "/crm", str(number)))) for number in range(100)]
    [read] = PostgresRecordedSignals(database).read([*asked, ("other-inc", asked[0][1]), (TENANT, uuid4())])
    assert [signal.row["id"] for signal in read] == [str(id_) for _, id_ in asked]


def test_an_event_of_more_text_than_a_document_takes_is_indexed(
    database: Database, store: PostgresSignalStore, search: PostgresSearchIndex
) -> None:
    many = {"accountId": "globex", "words": [f"word{number}" for number in range(80_000)]}
    deep = {"accountId": "globex", "deep": json.loads("[" * 150 + '"bottom"' + "]" * 150)}
    events = [{**EVENT, "id": "1", "data": many}, {**EVENT, "id": "2", "data": deep}]
    assert indexed(database, delivered(store, *events)) == [200, 200]
    assert len(found(search, "word1")) == len(found(search, "bottom")) == 1


def test_a_signal_that_is_gone_is_done_and_what_tells_of_none_is_refused(
    database: Database, database_url: str, store: PostgresSignalStore, search: PostgresSearchIndex
) -> None:
    results = delivered(store, EVENT, {**EVENT, "id": "2"})
    with closing(connect(database_url)) as connection:
        connection.run("DELETE FROM signals WHERE source_id = '1'")
    assert indexed(database, results) == [200, 200]
    assert len(found(search)) == 1
    told = {"specversion": "1.0", "id": str(uuid4()), "source": "/x", "type": "io.sspp.signal.recorded"}
    odd = [told, {**told, "id": "no id", "sspptenant": TENANT}]
    events = [CloudEvent.model_validate(each) for each in odd]
    answers = index(events, PostgresRecordedSignals(database), search)
    assert [answer.status for answer in answers] == [422, 422]
