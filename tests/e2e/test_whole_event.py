"""Whatever endpoint an event comes by, all of it is shown, found, and named by rules."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any
from uuid import uuid4

import httpx
import pytest
import redis

from events.keyspace import stream_key
from functions.domain.key import digest
from functions.domain.rule import RuleDefinition
from functions.service.register import opened
from tests.e2e.conftest import Installation, Platform, event
from tests.servers.parts import until

OWN = {
    "subject": "deal/7",
    "dataschema": "/schemas/deal",
    "region": "eu-west",
    "retries": 3,
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "data": {"accountId": "globex", "seats": 25, "plan": {"name": "evergreen"}, "rate": 0.25, "none": None},
}


def signal(platform: Platform, answer: httpx.Response, name: str = "id") -> dict[str, Any]:
    path = f"/api/v1/signals/{answer.json()[name]}"
    until(lambda: platform.api.get(path).status_code == 200, within_s=5, what="it is a signal")
    found: dict[str, Any] = platform.api.get(path).json()
    return found


def test_all_of_an_event_is_shown_wherever_its_signal_is(platform: Platform) -> None:
    sent = event(**OWN)
    found = signal(platform, platform.post(sent))
    assert found["event"] == sent
    assert platform.api.get(f"/api/v1/events/{found['id']}").json()["signal"]["event"] == sent
    assert [row["event"] for row in platform.api.get("/api/v1/signals").json()["data"]] == [sent]


def test_what_the_platform_stamps_is_not_shown(platform: Platform) -> None:
    sent = event()
    assert signal(platform, platform.post(sent))["event"] == sent


def test_binary_mode_is_shown_as_the_structured_event_it_means(platform: Platform) -> None:
    headers = {"ce-id": uuid4().hex, "ce-source": "/b", "ce-type": "demo_completed", "ce-region": "eu"}
    answer = platform.ingest.post("/", json=OWN["data"], headers={"ce-specversion": "1.0", **headers})
    attributes = {name[3:]: value for name, value in headers.items()}
    said = {"specversion": "1.0", **attributes, "datacontenttype": "application/json", "data": OWN["data"]}
    assert signal(platform, answer)["event"] == said


@pytest.mark.parametrize("word", ["evergreen", "seats", "west", "deal"])
def test_an_event_is_found_by_any_word_of_it(platform: Platform, word: str) -> None:
    id_ = platform.post(event(**OWN)).json()["id"]
    found: dict[str, Any] = {}

    def searched() -> bool:
        found.update(platform.api.get("/api/v1/signals/search", params={"q": word}).json())
        return bool(found["data"])  # counted after the page is read, so it may be one more than that has

    until(searched, within_s=5, what=f"it is found by {word}")
    assert [row["id"] for row in found["data"]] == [id_]


def test_a_rule_may_name_any_of_it(platform: Platform, installation: Installation) -> None:
    when = "event.data.plan.name == 'evergreen' && event.attributes.region == 'eu-west'"
    rule = {"name": "evergreen", "when": when, "then": [{"channel": "email", "to": platform.recipient}]}
    with opened(installation.database_url, installation.redis_url) as register:
        grant = register.record.find(digest(platform.key))
        assert grant is not None
        register.record.put_rule(grant.tenant_id, uuid4(), RuleDefinition.model_validate(rule))
    clicked = event(**{**OWN, "type": "email_opened"})
    other = {**clicked, "id": "other", "region": "us", "data": {**clicked["data"], "accountId": "other"}}
    answers = [platform.post(each) for each in (other, clicked)]
    for answer in answers:
        signal(platform, answer)
    notices = platform.api.get("/api/v1/notifications").json()["data"]
    assert [(notice["title"], notice["account_id"]) for notice in notices] == [("evergreen", "globex")]


# --- the JSON endpoints

RECORD = {"accountId": "globex", "userId": "sam", "eventType": "email_opened", "timestamp": "2026-11-26T10:00:00Z"}


def test_a_record_is_kept_with_every_member(platform: Platform) -> None:
    beside = {"contactId": "ann@globex.example", "score": 1.5, "tags": ["a", {"b": None}], "data": 1}
    found = signal(platform, platform.ingest.post("/api/v1/events", json={**RECORD, **beside}), "jobId")
    assert found["event"]["data"] == {"accountId": "globex", "userId": "sam", **beside}
    assert (found["contact_id"], found["event"]["type"], found["metadata"]) == (
        beside["contactId"],
        "email_opened",
        {},
    )


@pytest.mark.parametrize("name", ["contactId", "campaign"])
def test_records_that_differ_in_any_member_are_two_events(platform: Platform, name: str) -> None:
    bodies = [{**RECORD, name: value} for value in ("ann@globex.example", "ben@globex.example")]
    answers = [platform.ingest.post("/api/v1/events", json=body) for body in bodies]
    assert len({answer.json()["jobId"] for answer in answers}) == 2
    kept = [signal(platform, answer, "jobId")["event"]["data"][name] for answer in answers]
    assert kept == [body[name] for body in bodies]


@pytest.mark.parametrize(
    ("body", "data", "account"),
    [
        ({"payload": {"accountId": "a"}, "tags": [1]}, {"accountId": "a", "tags": [1]}, "a"),
        ({"payload": {"n": 1}, "accountId": "a"}, {"accountId": "a"}, "a"),
        ({"payload": {"accountId": "a"}, "accountId": "b"}, {"accountId": "a", "beside": {"accountId": "b"}}, "a"),
        ({"payload": 1, "accountId": 5, "metadata": 2}, {"accountId": "5", "beside": {"metadata": 2}}, "5"),
        ({"payload": 1, "accountId": [5]}, {"beside": {"accountId": [5]}}, "unassigned"),
        ({"payload": {}, "beside": {"x": 1}}, {"beside": {"beside": {"x": 1}}}, "unassigned"),
    ],
)
def test_an_event_of_any_type_is_kept_with_every_member(
    platform: Platform, body: dict[str, Any], data: dict[str, Any], account: str
) -> None:
    found = signal(platform, platform.ingest.post("/api/events", json={"type": "x", "source": "crm", **body}))
    payload = body["payload"]
    noted = payload if isinstance(payload, dict) else {"payload": payload}
    assert (found["event"]["data"], found["account_id"]) == ({**data, "metadata": noted}, account)
    assert (found["metadata"], found["event"]["origin"]) == (noted, "crm")


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("/api/v1/events", {**RECORD, "tags": ["\0"]}, "/tags/0"),
        ("/api/v1/events", {**RECORD, "contactId": []}, "/contactId"),
        ("/api/events", {"type": "x", "payload": {}, "tags": ["\0"]}, "/tags/0"),
        ("/api/events", {"type": "x", "payload": {}, "metadata": "\0"}, "/metadata"),
        ("/api/events", {"type": "x", "payload": {}, "contactId": "c" * 257}, "/contactId"),
    ],
)
def test_what_cannot_be_kept_is_refused_where_it_is(
    platform: Platform, path: str, body: dict[str, Any], pointer: str
) -> None:
    answer = platform.ingest.post(path, json=body)
    assert (answer.status_code, [error["pointer"] for error in answer.json()["errors"]]) == (400, [pointer])


@pytest.mark.parametrize("path", ["/api/v1/events", "/api/events"])
def test_a_number_no_database_holds_is_refused(platform: Platform, path: str) -> None:
    body = json.dumps({**RECORD, "type": "x", "payload": {}, "n": 0}).replace('"n": 0', '"n": 1e999')
    answer = platform.ingest.post(path, content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/n")


# --- the same event again


def test_an_event_that_a_broker_rewrote_is_the_same(platform: Platform) -> None:
    sent = event(**{**OWN, "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"})
    again = {
        **dict(reversed(sent.items())),
        "traceparent": "00-" + "1" * 32 + "-b7ad6b7169203331-01",
        "tracestate": "v",
    }
    first, second = platform.post(sent), platform.post(again)
    assert second.json() == {**first.json(), "duplicate": True}
    assert platform.post({**sent, "region": "us"}).status_code == 409


def test_an_event_is_the_same_in_every_mode(platform: Platform) -> None:
    data = {"accountId": "globex", "seats": 25.0, "ratio": 0.5}
    attributes = {"specversion": "1.0", "id": uuid4().hex, "source": "/b", "type": "demo_completed", "retries": 3}
    first = platform.post({**attributes, "data": data})
    encoded = b64encode(json.dumps({**data, "seats": 25}).encode()).decode()
    headers = {f"ce-{name}": str(value) for name, value in attributes.items()}
    others = [
        platform.post({**attributes, "data_base64": encoded}),
        platform.ingest.post("/", json=data, headers=headers),
        platform.post_batch([{**attributes, "data": data, "datacontenttype": "application/json"}]),
    ]
    assert [answer.status_code for answer in (first, *others)] == [202] * 4
    assert [answer.json()["duplicate"] for answer in others[:2]] == [True, True]
    assert others[2].json()["duplicates"] == 1


def test_after_its_window_other_content_is_a_dead_letter_that_says_so(
    platform: Platform, installation: Installation
) -> None:
    sent = event(id=uuid4().hex)
    answer = platform.post(sent)
    signal(platform, answer)
    for again in (sent, {**sent, "data": {"accountId": "initech"}}):
        accepted_anew(platform, installation, again)
    letters: list[dict[str, Any]] = []

    def dead() -> bool:
        letters[:] = platform.api.get("/api/v1/dead-letters").json()["data"]
        return bool(letters)

    until(dead, within_s=5, what="the other one is a dead letter")
    [letter] = letters
    assert (letter["status"], "other content" in letter["reason"]) == (422, True)
    assert signal(platform, answer)["account_id"] == "acme"
    assert platform.api.get("/api/v1/signals").json()["pagination"]["total"] == 1


def accepted_anew(platform: Platform, installation: Installation, sent: dict[str, Any]) -> None:
    """Put an event into its stream, as the front door does once its identity is no longer remembered."""
    with (
        opened(installation.database_url, installation.redis_url) as register,
        redis.Redis.from_url(installation.redis_url) as client,
    ):
        grant = register.record.find(digest(platform.key))
        assert grant is not None
        stamps = {"sspptenant": grant.tenant_id, "ssppreceived": "2026-11-26T10:00:00Z"}
        client.xadd(stream_key("events", 0), {"event": json.dumps({**sent, **stamps}, separators=(",", ":"))})
