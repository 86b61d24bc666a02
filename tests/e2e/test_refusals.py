"""Bad input: a problem with a pointer, never a stack trace, never an echo."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import httpx
import pytest

from tests.e2e.conftest import Platform, event
from tests.servers import raw
from tests.servers.parts import FUNCTIONS

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"

Case = tuple[str, str, bytes, int, str | None]


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _without(name: str) -> dict[str, Any]:
    return {key: value for key, value in event().items() if key != name}


def _noted(value: Any) -> dict[str, Any]:
    return {"accountId": "a", "metadata": {"x": value}}


#: name, content type, body, status, pointer
CASES: list[Case] = [
    ("no JSON", STRUCTURED, b"{", 400, ""),
    ("no object", STRUCTURED, b"[]", 400, ""),
    ("no id", STRUCTURED, _json(_without("id")), 400, "/id"),
    ("an empty source", STRUCTURED, _json(event(source="")), 400, "/source"),
    ("another version", STRUCTURED, _json(event(specversion="0.3")), 400, "/specversion"),
    ("a bad time", STRUCTURED, _json(event(time="yesterday")), 400, "/time"),
    ("a day there is not", STRUCTURED, _json(event(time="2026-02-30T00:00:00Z")), 400, "/time"),
    ("a bad attribute name", STRUCTURED, _json(event(Big="1")), 400, "/Big"),
    ("a reserved attribute", STRUCTURED, _json(event(sspptenant="other")), 400, "/sspptenant"),
    ("U+0000", STRUCTURED, _json(event(data=_noted("\0"))), 400, "/data/metadata/x"),
    (
        "NaN",
        STRUCTURED,
        _json(event(data={"accountId": "a", "metadata": {"x": float("nan")}})),
        400,
        "/data/metadata/x",
    ),
    ("a lone surrogate", STRUCTURED, _json(event(subject="\ud800")), 400, ""),
    ("nesting that no parser takes", STRUCTURED, b'{"data":' + b"[" * 5000 + b"]" * 5000 + b"}", 400, ""),
    ("nesting", STRUCTURED, _json(event(data={"metadata": json.loads("[" * 40 + "]" * 40)})), 422, "/data"),
    ("many values", STRUCTURED, _json(event(data={"metadata": {"x": [0] * 20_000}})), 422, "/data"),
    ("an unknown type", STRUCTURED, _json(event(type="com.example.odd")), 422, "/type"),
    ("no account", STRUCTURED, _json(event(data={})), 422, "/data/accountId"),
    ("an account that is a number", STRUCTURED, _json(event(data={"accountId": 7})), 422, "/data/accountId"),
    ("data that is a list", STRUCTURED, _json(event(data=[])), 422, "/data"),
    (
        "metadata that is text",
        STRUCTURED,
        _json(event(data={"accountId": "a", "metadata": "x"})),
        422,
        "/data/metadata",
    ),
    ("another content type", "text/plain", b"hello", 415, None),
    ("another CloudEvents format", "application/cloudevents+avro", b"hello", 415, None),
    ("a batch that is an object", BATCH, _json(event()), 400, ""),
    ("a batch that breaks off", BATCH, b"[{", 400, ""),
    ("a batch too long", BATCH, b"[" + b",".join([b"{}"] * 1001) + b"]", 413, None),
    ("a body too long", STRUCTURED, b" " * 1_048_577, 413, None),
]


def test_what_is_wrong_is_said_with_a_pointer_to_it(platform: Platform) -> None:
    for name, content_type, body, status, pointer in CASES:
        answer = platform.ingest.post("/", content=body, headers={"content-type": content_type, "x-odd": "canary"})
        assert answer.status_code == status, (name, answer.text)
        _is_problem(answer, status)
        if pointer is not None:
            assert pointer in [error["pointer"] for error in answer.json()["errors"]], (name, answer.text)
    assert platform.api.get("/api/v1/signals").json()["pagination"]["total"] == 0


def test_a_batch_says_of_each_of_its_events_what_became_of_it(platform: Platform) -> None:
    known = event()
    id_ = platform.post(known).json()["id"]
    unknown = event(type="com.example.odd")
    answer = platform.post_batch([event(), {"id": 1}, unknown, known, {**known, "subject": "another body"}])
    assert answer.status_code == 207
    body = answer.json()
    results = body.pop("results")
    assert body == {"status": "accepted", "accepted": 2, "duplicates": 1, "rejected": 3}
    assert [result["index"] for result in results] == [0, 1, 2, 3, 4]
    assert [(result["status"], result["duplicate"], result.get("pointer")) for result in results] == [
        (202, False, None),
        (400, False, "/specversion"),
        (422, False, "/type"),
        (202, True, None),
        (409, False, ""),
    ]
    assert [result["id"] for result in results[3:]] == [id_, id_]
    assert (results[1]["id"], UUID(results[2]["id"]).version) == (None, 5)
    assert all(result["title"] and result["detail"] for result in (results[1], results[2], results[4]))


def test_a_batch_of_which_nothing_is_stored_is_not_called_accepted(platform: Platform) -> None:
    known = event()
    assert platform.post(known).status_code == 202
    unknown, conflict = event(type="com.example.odd"), {**known, "subject": "other content"}
    for events, status in (
        ([unknown], 422),
        ([unknown, unknown], 422),
        ([conflict, {**conflict, "subject": "another"}], 409),
        ([{"id": 1}, {"id": 2}], 400),
        ([{"id": 1}, unknown], 422),
        ([conflict, {"id": 1}], 422),
    ):
        answer = platform.post_batch(events)
        assert (answer.status_code, answer.json()["status"], answer.json()["accepted"]) == (status, "refused", 0)
        assert len(answer.json()["results"]) == len(events)
    assert platform.post_batch([]).json()["status"] == "accepted"


@pytest.mark.parametrize("part", ["ingest", "api"])
def test_every_key_that_does_not_work_gets_the_same_words(platform: Platform, part: str) -> None:
    path = "/v1/events" if part == "ingest" else "/api/v1/signals"
    wrong = ["", "x", "sspp_", platform.key[:-1], platform.key.upper(), "Ünïcode".encode().decode("latin-1")]
    method = "POST" if part == "ingest" else "GET"
    answers = [
        httpx.request(method, platform.parts[part].url + path, headers={b"x-api-key": key.encode("latin-1")})
        for key in wrong
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1
    _is_problem(answers[0], 401)


@pytest.mark.parametrize(
    ("part", "method", "path", "status"),
    [
        ("ingest", "GET", "/v1/events", 405),
        ("ingest", "POST", "/nowhere", 404),
        ("api", "GET", "/api/v1/nowhere", 404),
        ("api", "DELETE", "/api/v1/signals", 405),
        ("api", "GET", "/api/v1/accounts/nobody", 404),
        ("api", "GET", "/api/v1/signals/not-an-id", 404),
        ("api", "GET", "/api/v1/events/00000000-0000-0000-0000-000000000000", 404),
        ("api", "GET", "/api/v1/signals?limit=0", 400),
        ("api", "GET", "/api/v1/signals?sortBy=tenant_id", 400),
        ("api", "GET", "/api/v1/signals?from=yesterday", 400),
        ("api", "GET", "/api/v1/signals?odd=1", 400),
        ("api", "GET", "/api/v1/signals/search?cursor=odd", 400),
    ],
)
def test_questions_without_an_answer(platform: Platform, part: str, method: str, path: str, status: int) -> None:
    client = platform.ingest if part == "ingest" else platform.api
    answer = client.request(method, path)
    assert answer.status_code == status, answer.text
    _is_problem(answer, status)


@pytest.mark.parametrize("function", ["process", "index", "notify"])
def test_only_the_dispatcher_may_deliver(platform: Platform, function: str) -> None:
    for headers in ({}, {"authorization": "Bearer wrong"}, {"x-api-key": platform.key}):
        answer = httpx.post(platform.parts[function].url, json=[], headers={"content-type": BATCH, **headers})
        assert answer.status_code == 401
        _is_problem(answer, 401)


def _is_problem(answer: httpx.Response, status: int) -> None:
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    assert body["type"]
    for forbidden in ("Traceback", ".py", "canary", "x-odd"):
        assert forbidden not in answer.text


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(
    "path",
    ["/nowhere", "/robots.txt", "/favicon.ico", "//nowhere", "/api//v1/signals", "/%ff", "/%c3%a9", "/signals/"],
)
def test_what_is_not_there_is_a_problem_too_never_a_page(platform: Platform, function: str, path: str) -> None:
    head = raw.head(f"authorization: Bearer {platform.key}", method="GET", path=path)
    answer = raw.asked(platform.parts[function].url, head)
    assert answer is not None
    assert (answer.status, answer.headers["content-type"]) == (404, "application/problem+json")
    assert answer.json()["status"] == 404
