"""Events are kept whole: what any sender sent is what the API shows, and PostgreSQL's key decides by content."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic_core import to_json

from events.answer import Result
from events.batch import parse_events
from events.cloudevent import CloudEvent, event_id, stamp
from functions.adapters.postgres.database import Database
from functions.adapters.postgres.merges import PostgresMerges
from functions.adapters.postgres.pages import Page
from functions.adapters.postgres.reader import Reader
from functions.adapters.postgres.signal_lists import SignalQuery
from functions.adapters.postgres.signal_store import PostgresSignalStore
from functions.domain.evaluation import STOPPED_CLOCKS
from functions.domain.signal import instant
from functions.process.handler import process
from tests.integration.test_signal_store import NOW
from tests.unit.test_cloudevent import JSON, PRINTABLE

TENANT = "acme-inc"
EVENT = {
    "specversion": "1.0",
    "id": "1",
    "source": "/crm",
    "type": "demo_completed",
    "time": "2026-03-04T12:00:00.5+01:00",
    "subject": "deal/7",
    "dataschema": "/schemas/deal",
    "datacontenttype": "application/json",
    "region": "eu",
    "retries": 3,
    "vip": True,
    "data": {"accountId": "globex", "contactId": "ann@globex.example", "seats": 25, "plan": {"name": "team"}},
}
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
TIMES = ["2026-03-04T12:00:00Z", "2026-03-04T12:00:00.123456Z", "2026-03-04t12:00:00z", "2099-01-01T00:00:00Z"]
DATA = st.dictionaries(NAMES.filter(lambda name: name not in {"contactId", "userId", "metadata"}), JSON, max_size=5)
TEXT = st.text(PRINTABLE, min_size=1, max_size=8)
EVENTS = st.fixed_dictionaries(
    {"data": DATA},
    optional={
        "time": st.sampled_from(TIMES),
        "subject": TEXT,
        "dataschema": TEXT,
        "region": TEXT,
        "vip": st.booleans(),
        "who": st.dictionaries(st.sampled_from(["contactId", "userId"]), st.none() | TEXT),
    },
)


@pytest.fixture
def store(database: Database) -> PostgresSignalStore:
    return PostgresSignalStore(database)


def delivered(
    store: PostgresSignalStore, *events: Mapping[str, Any] | bytes, copied: bool = False
) -> Sequence[Result]:
    """Process events as the dispatcher delivers them: stamped, and in one batch."""
    raws = [event if isinstance(event, bytes) else json.dumps(event).encode() for event in events]
    stamps = {"sspptenant": TENANT, "ssppreceived": instant(NOW), "traceparent": "00-1-2-00", "sspptraced": "1"}
    body = b"[" + b",".join(stamp(raw, **stamps) for raw in raws) + b"]"
    read = [event for event in parse_events(body, limit=100) if isinstance(event, CloudEvent)]
    return process(read, store, STOPPED_CLOCKS, PostgresMerges(store).apply, copied=copied)


def shown(database: Database, event: Mapping[str, Any]) -> dict[str, Any]:
    """The signal of ``event`` as the API writes it."""
    found = Reader(database).signal(TENANT, UUID(event_id(TENANT, event["source"], event["id"])))
    told: dict[str, Any] = json.loads(to_json(found))
    return told


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(given_=EVENTS)
def test_any_event_is_shown_as_it_was_sent(
    database: Database, store: PostgresSignalStore, given_: dict[str, Any]
) -> None:
    who = given_.pop("who", {})
    sent = {**EVENT, **given_, "id": str(uuid4()), "data": {**given_["data"], "accountId": "globex", **who}}
    assert [result.status for result in delivered(store, sent)] == [200]
    assert shown(database, sent)["event"] == sent


@pytest.mark.parametrize(
    "data",
    [
        b'{"accountId":"globex","n":12345678901234567890123,"f":1e300,"z":-0.0,"e":1E-7}',
        b'{"accountId":"globex","text":"\\u00e9\\ud83d\\ude00\\u2028 \\\\ \\"","":{"":[]}}',
        b'{"accountId":"globex","metadata":{"note":"n"},"contactId":"ann","other":null}',
        b'{"accountId":"globex","deep":' + b"[" * 150 + b"]" * 150 + b"}",
    ],
    ids=["numbers", "text", "known members", "deep"],
)
def test_data_is_shown_as_it_was_sent(database: Database, store: PostgresSignalStore, data: bytes) -> None:
    raw = json.dumps({**EVENT, "data": 0}).encode().replace(b'"data": 0', b'"data": ' + data)
    assert [result.status for result in delivered(store, raw)] == [200]
    assert shown(database, EVENT)["event"] == json.loads(raw)
    assert shown(database, EVENT)["metadata"] == json.loads(data).get("metadata", {})


def test_data_sent_as_bytes_is_shown_so_and_its_metadata_read(database: Database, store: PostgresSignalStore) -> None:
    encoded = b64encode(json.dumps({"accountId": "globex", "metadata": {"note": "n"}}).encode()).decode()
    sent = {name: value for name, value in EVENT.items() if name != "data"} | {"data_base64": encoded}
    delivered(store, sent)
    signal = shown(database, sent)
    assert (signal["event"], signal["account_id"], signal["metadata"]) == (sent, "globex", {"note": "n"})


def test_an_event_without_data_and_one_with_null_are_shown_so(database: Database, store: PostgresSignalStore) -> None:
    bare = {name: value for name, value in EVENT.items() if name != "data"} | {"subject": "account/globex"}
    null = {**bare, "id": "2", "data": None}
    delivered(store, bare, null)
    assert [shown(database, each)["event"] for each in (bare, null)] == [bare, null]


def test_a_list_of_signals_shows_their_events(database: Database, store: PostgresSignalStore) -> None:
    delivered(store, EVENT)
    [row] = Reader(database).signals(SignalQuery(tenant_id=TENANT, filters={}), Page(number=1, limit=9)).rows
    assert row["event"] == EVENT
    assert {"source", "source_id"}.isdisjoint(row)


def test_a_signal_that_an_earlier_version_recorded_keeps_its_metadata_and_takes_any_content(
    database: Database, store: PostgresSignalStore
) -> None:
    delivered(store, EVENT)
    with database.transaction() as tx:
        tx._connection.run("""UPDATE signals SET event = NULL, content = NULL, metadata = '{"note":"old"}'""")
    assert (shown(database, EVENT)["event"], shown(database, EVENT)["metadata"]) == (None, {"note": "old"})
    assert delivered(store, {**EVENT, "region": "us"})[0].status == 200


# --- the same identity again


def test_the_same_content_again_is_a_duplicate_with_the_same_replies(store: PostgresSignalStore) -> None:
    first = delivered(store, EVENT)
    assert delivered(store, {**dict(reversed(EVENT.items())), "tracestate": "v=1"}) == first


@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "later"])
def test_other_content_is_a_dead_letter_that_says_so(
    database: Database, store: PostgresSignalStore, together: bool
) -> None:
    other = {**EVENT, "data": {**EVENT["data"], "accountId": "initech"}}  # type: ignore[dict-item] # data is a dict
    one, two = delivered(store, EVENT, other) if together else [*delivered(store, EVENT), *delivered(store, other)]
    assert (one.status, two.status, two.replies) == (200, 422, [])
    assert "other content" in two.detail
    assert shown(database, EVENT)["account_id"] == "globex"
    assert Reader(database).explained(TENANT, "initech", NOW) is None
