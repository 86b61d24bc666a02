"""The two JSON doors: a sender written for either needs only a new base URL and a key."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import httpx
import pytest
from cloudevents.conversion import to_binary, to_structured
from cloudevents.http import CloudEvent

from functions.domain.key import digest
from functions.domain.plan import OwnEventType, Plan
from functions.service import event_types, tenants
from functions.service.principal import OPERATOR
from functions.service.register import opened
from tests.e2e.conftest import Installation, Platform
from tests.servers.parts import until

RECORDS, ANY = "/api/v1/events", "/api/events"


def record(**fields: Any) -> dict[str, Any]:
    given = {
        "accountId": "globex",
        "userId": "sam",
        "eventType": "email_clicked",
        "timestamp": "2026-11-01T10:00:00Z",
        "metadata": {"link": uuid4().hex},
        **fields,
    }
    return {name: value for name, value in given.items() if value is not None}


def signal(platform: Platform, id_: str) -> dict[str, Any]:
    path = f"/api/v1/signals/{id_}"
    until(lambda: platform.api.get(path).status_code == 200, within_s=5, what="it is a signal")
    found: dict[str, Any] = platform.api.get(path).json()
    return found


def sdk_event(data: object, **attributes: str) -> CloudEvent:
    return CloudEvent({"type": "io.sspp.email.opened", "source": "/sdk", **attributes}, data)


DATA: dict[str, Any] = {"accountId": "sdk", "metadata": {"subject": "hello"}}


@pytest.mark.parametrize("write", [to_binary, to_structured])
@pytest.mark.parametrize("attributes", [{}, {"datacontenttype": "application/json"}])
@pytest.mark.parametrize("data", [DATA, json.dumps(DATA).encode()], ids=["object", "bytes"])
@pytest.mark.parametrize("part", ["ingest", "api"])
def test_what_the_cloudevents_sdk_writes_is_taken_as_it_is(
    platform: Platform, write: Any, attributes: dict[str, str], data: object, part: str
) -> None:
    headers, body = write(sdk_event(data, **attributes))
    answer = getattr(platform, part).post("/v1/events", headers=headers, content=body)
    assert answer.status_code == 202, answer.text
    assert ("content-type" in answer.request.headers) == ("content-type" in headers)
    row = signal(platform, answer.json()["id"])
    assert (row["account_id"], row["metadata"]) == ("sdk", DATA["metadata"])


def test_a_schema_holds_for_data_in_bytes_too(platform: Platform, installation: Installation) -> None:
    own = {"type": "seat.added", "signal": "odd", "score": 0.1, "points": 1, "halfLifeDays": 1}
    schema = {"required": ["seats"]}
    with opened(installation.database_url, installation.redis_url) as register:
        grant = register.record.find(digest(platform.key))
        assert grant is not None
        event_types.put(
            register, OPERATOR, grant.tenant_id, OwnEventType.model_validate({**own, "dataSchema": schema})
        )
    for data, status in (({"accountId": "a", "seats": 3}, 202), ({"accountId": "a"}, 422)):
        headers, body = to_structured(sdk_event(json.dumps(data).encode(), type="seat.added"))
        answer = platform.ingest.post("/v1/events", headers=headers, content=body)
        assert answer.status_code == status, answer.text


@pytest.mark.parametrize("event_type", ["email_clicked", "io.sspp.email.clicked"])
def test_a_record_is_accepted_and_becomes_a_signal(platform: Platform, event_type: str) -> None:
    answer = platform.ingest.post(RECORDS, json=record(eventType=event_type, metadata={"link": event_type}))
    assert answer.status_code == 202
    assert answer.json().keys() == {"status", "jobId", "message"}
    assert answer.json()["status"] == "accepted"
    row = signal(platform, answer.json()["jobId"])
    assert (row["account_id"], row["user_id"], row["signal_type"]) == ("globex", "sam", "high_engagement")
    assert (row["timestamp"], row["metadata"]) == ("2026-11-01T10:00:00Z", {"link": event_type})


def test_a_blind_retry_of_a_record_is_harmless_however_it_is_written(platform: Platform) -> None:
    given = record(metadata={"link": uuid4().hex, "nested": {"b": 1, "a": [2, 3]}})
    turned = {**given, "metadata": {"nested": {"a": [2, 3], "b": 1}, "link": given["metadata"]["link"]}}
    headers = {"content-type": "application/json"}
    bodies = [
        json.dumps(given),
        json.dumps(dict(reversed(turned.items()))),
        json.dumps(given, indent=4),
        json.dumps({**given, "timestamp": "2026-11-01T11:00:00+01:00"}),
    ]
    answers = [platform.ingest.post(RECORDS, content=body, headers=headers) for body in bodies]
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["jobId"] for answer in answers}) == 1
    other = platform.ingest.post(RECORDS, json={**given, "userId": "alex"})
    assert other.json()["jobId"] != answers[0].json()["jobId"]


@pytest.mark.parametrize(("path", "name"), [(RECORDS, "jobId"), (ANY, "id")])
def test_an_idempotency_key_makes_the_identity(platform: Platform, path: str, name: str) -> None:
    body = record() if path == RECORDS else {"type": "anything", "payload": {"a": 1}, "source": "here"}
    headers = {"idempotency-key": uuid4().hex}
    first = platform.ingest.post(path, json=body, headers=headers)
    again = platform.ingest.post(path, json=body, headers=headers)
    assert first.json()[name] == again.json()[name]
    changed = {**body, "metadata": {"b": 2}} if path == RECORDS else {**body, "source": "elsewhere"}
    conflict = platform.ingest.post(path, json=changed, headers=headers)
    assert conflict.status_code == 409
    assert conflict.headers["content-type"] == "application/problem+json"


def test_everything_that_is_wrong_with_a_record_is_said_at_once(platform: Platform) -> None:
    for odd in (7, "odd"):
        answer = platform.ingest.post(RECORDS, json={"eventType": odd, "timestamp": "yesterday", "metadata": []})
        assert answer.status_code == 400
        pointers = {error["pointer"] for error in answer.json()["errors"]}
        assert pointers == {"/accountId", "/userId", "/eventType", "/timestamp", "/metadata"}


@pytest.mark.parametrize(
    ("path", "body", "content_type", "status"),
    [
        (RECORDS, b"{", "application/json", 400),
        (RECORDS, b"[]", "application/json", 400),
        (RECORDS, b"{}", "text/plain", 415),
        (RECORDS, json.dumps(record(eventType="odd")).encode(), "application/json", 400),
        (ANY, b'{"payload": {}}', "application/json", 400),
        (ANY, b'{"type": "", "payload": {}}', "application/json", 400),
        (ANY, b'{"type": "x"}', "application/json", 400),
        (ANY, b"a=1", "application/x-www-form-urlencoded", 415),
    ],
)
def test_a_body_that_makes_no_event_is_a_bad_request(
    platform: Platform, path: str, body: bytes, content_type: str, status: int
) -> None:
    answer = platform.ingest.post(path, content=body, headers={"content-type": content_type})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("path", "body", "headers", "pointer"),
    [
        (RECORDS, record(eventType="odd"), {}, "/eventType"),
        (RECORDS, record(metadata={"x": ["\0"]}), {}, "/metadata/x/0"),
        (RECORDS, record(), {"idempotency-key": "x" * 2049}, ""),
        (ANY, {"type": "t", "payload": {"x": "\0"}}, {}, "/payload/x"),
        (ANY, {"type": "t", "payload": {"payload": "\0"}}, {}, "/payload/payload"),
        (ANY, {"type": "t", "payload": ["\0"]}, {}, "/payload/0"),
        (ANY, {"type": "t", "payload": {"accountId": "x" * 257}}, {}, "/payload/accountId"),
        (ANY, {"type": "t", "payload": 1, "occurredAt": "soon"}, {}, "/occurredAt"),
    ],
)
def test_a_pointer_leads_into_the_body_as_it_was_sent(
    platform: Platform, path: str, body: dict[str, Any], headers: dict[str, str], pointer: str
) -> None:
    answer = platform.ingest.post(path, json=body, headers=headers)
    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


def test_an_event_of_a_type_nobody_knows_is_kept_unscored(platform: Platform) -> None:
    payload = {"accountId": "globex", "colour": "red", "nested": [1, {"deep": None}]}
    answer = platform.ingest.post(ANY, json={"type": "paint.chosen", "payload": payload})
    assert answer.status_code == 201
    assert answer.json() == {"id": answer.json()["id"], "status": "enqueued"}
    row = signal(platform, answer.json()["id"])
    assert (row["event_type"], row["signal_type"], row["points"]) == ("paint.chosen", "unscored", 0)
    assert (row["account_id"], row["metadata"]) == ("globex", payload)
    assert row["reasons"] == ["paint.chosen is not a known event type"]


@pytest.mark.parametrize("payload", ["text", 7, None, [1, 2], {}])
def test_any_payload_is_taken_also_without_an_account(platform: Platform, payload: object) -> None:
    answer = platform.ingest.post(ANY, json={"type": "something", "payload": payload})
    assert answer.status_code == 201
    row = signal(platform, answer.json()["id"])
    assert row["account_id"] == "unassigned"
    assert row["metadata"] == (payload if isinstance(payload, dict) else {"payload": payload})


def test_a_type_that_is_known_is_scored_at_the_any_door_too(platform: Platform) -> None:
    body = {"type": "demo_completed", "payload": {"accountId": "globex"}, "occurredAt": "2026-11-01T10:00:00Z"}
    row = signal(platform, platform.ingest.post(ANY, json=body).json()["id"])
    assert (row["signal_type"], row["points"], row["timestamp"]) == ("high_intent", 60, "2026-11-01T10:00:00Z")


def test_demos_of_nobody_heat_no_account_up_and_page_nobody(platform: Platform) -> None:
    ids = [
        platform.ingest.post(ANY, json={"type": "demo_completed", "payload": {"n": n}}).json()["id"] for n in range(3)
    ]
    rows = [signal(platform, id_) for id_ in ids]
    assert [(row["account_id"], row["signal_type"], row["points"]) for row in rows] == [
        ("unassigned", "high_intent", 0)
    ] * 3
    assert platform.api.get("/api/v1/accounts/unassigned").json()["engagement"] == 0
    assert [platform.api.get(f"/api/v1/events/{id_}").json()["notices"] for id_ in ids] == [[], [], []]


def test_without_a_key_the_time_decides_whether_an_event_is_the_same(platform: Platform) -> None:
    timed = {"type": "x", "payload": {"n": uuid4().hex}, "occurredAt": "2026-11-01T10:00:00Z"}
    untimed = {"type": "x", "payload": {"n": uuid4().hex}}
    ids = [[platform.ingest.post(ANY, json=body).json()["id"] for _ in range(2)] for body in (timed, untimed)]
    assert ids[0][0] == ids[0][1]
    assert ids[1][0] != ids[1][1]


def test_the_months_limit_holds_at_these_doors_too(platform: Platform, installation: Installation) -> None:
    with opened(installation.database_url, installation.redis_url) as register:
        grant = register.record.find(digest(platform.key))
        assert grant is not None
        tenants.put_plan(register, OPERATOR, grant.tenant_id, Plan.model_validate({"monthly": {"hard": 1}}))
    assert platform.ingest.post(ANY, json={"type": "x", "payload": {}}).status_code == 201
    for path, body in ((ANY, {"type": "x", "payload": {}}), (RECORDS, record())):
        answer = platform.ingest.post(path, json=body)
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) > 0


def test_a_door_wants_a_key(platform: Platform) -> None:
    for path in (RECORDS, ANY):
        assert httpx.post(platform.parts["ingest"].url + path, json={}).status_code == 401
