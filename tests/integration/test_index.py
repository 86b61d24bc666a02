"""The copy for search is one of what is recorded, whatever told of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from events.batch import parse_events
from events.cloudevent import CloudEvent, event_id
from functions.adapters.postgres.database import Database, connect
from functions.adapters.postgres.recorded_signals import SLICE_BYTES, PostgresRecordedSignals
from functions.adapters.postgres.signal_store import PostgresSignalStore
from functions.adapters.postgres.tenants import PostgresTenants
from functions.domain.plan import OwnEventType
from functions.domain.search import SignalDocument
from functions.index.handler import index
from functions.ports import SearchCopy
from tests.integration.test_whole_events import EVENT, TENANT, delivered


class Kept:
    """A copy that keeps what it is given."""

    def __init__(self) -> None:
        self.documents: dict[str, SignalDocument] = {}

    def put(self, documents: Sequence[SignalDocument]) -> None:
        self.documents |= {each.id: each for each in documents}

    def indexed(self, database: Database, results: Sequence[Any]) -> list[int]:
        """Index what process replied; gives the statuses."""
        raws = [reply.event for result in results for reply in result.replies if reply.channel == "signals"]
        told = [
            event for event in parse_events(f"[{','.join(raws)}]".encode(), limit=500) if isinstance(event, CloudEvent)
        ]
        assert len(told) == len(results)
        return [answer.status for answer in index(told, PostgresRecordedSignals(database), cast("SearchCopy", self))]


@pytest.fixture
def store(database: Database) -> PostgresSignalStore:
    return PostgresSignalStore(database, searched=False)


def note(points: int) -> OwnEventType:
    return OwnEventType(type="note.taken", signal="note", score=0.5, points=points, halfLifeDays=7)


def test_a_document_says_what_was_recorded_though_its_events_type_has_changed(
    database: Database, store: PostgresSignalStore
) -> None:
    tenants, copy = PostgresTenants(database), Kept()
    tenants.put(TENANT, "Acme")
    tenants.put_event_type(TENANT, note(5))
    event = {**EVENT, "type": "note.taken"}
    delivered(store, event)
    tenants.put_event_type(TENANT, note(50))
    assert copy.indexed(database, delivered(store, event, copied=True)) == [200]
    [kept] = copy.documents.values()
    assert kept.row["points"] == 5


def test_events_of_any_size_are_read_in_slices_of_a_bounded_one(
    database: Database, store: PostgresSignalStore
) -> None:
    numbers = range(5)
    large = {"accountId": "globex", "text": "x" * 900_000}
    events: list[dict[str, Any]] = [
        {**EVENT, "type": "page_viewed", "id": str(number), **({"data": large} if number else {})}
        for number in numbers
    ]
    results = delivered(store, *events, copied=True)
    asked = [(TENANT, UUID(event_id(TENANT, "/crm", event["id"]))) for event in events]
    slices = list(PostgresRecordedSignals(database).read(asked))
    assert [len(each) for each in slices] == [2, 1, 1, 1]
    assert all(sum(len(json.dumps(signal.event)) for signal in each[:-1]) < SLICE_BYTES for each in slices)
    copy = Kept()
    assert copy.indexed(database, results) == [200] * 5
    assert len(copy.documents) == 5


def test_a_batch_of_usual_events_is_read_at_once(database: Database, store: PostgresSignalStore) -> None:
    delivered(store, *({**EVENT, "id": str(number)} for number in range(100)))
    asked = [(TENANT, UUID(event_id(TENANT, "/crm", str(number)))) for number in range(100)]
    [read] = PostgresRecordedSignals(database).read([*asked, ("other-inc", asked[0][1]), (TENANT, uuid4())])
    assert [signal.row["id"] for signal in read] == [str(id_) for _, id_ in asked]


def test_a_signal_that_is_gone_is_done_and_what_tells_of_none_is_refused(
    database: Database, database_url: str, store: PostgresSignalStore
) -> None:
    viewed = {**EVENT, "type": "page_viewed"}
    results, copy = delivered(store, viewed, {**viewed, "id": "2"}, copied=True), Kept()
    with closing(connect(database_url)) as connection:
        connection.run("DELETE FROM signals WHERE source_id = '1'")
    assert copy.indexed(database, results) == [200, 200]
    assert list(copy.documents) == [event_id(TENANT, "/crm", "2")]
    told = {"specversion": "1.0", "id": str(uuid4()), "source": "/x", "type": "io.sspp.signal.recorded"}
    odd = [told, {**told, "id": "no id", "sspptenant": TENANT}]
    events = [CloudEvent.model_validate(each) for each in odd]
    answers = index(events, PostgresRecordedSignals(database), cast("SearchCopy", copy))
    assert [answer.status for answer in answers] == [422, 422]
