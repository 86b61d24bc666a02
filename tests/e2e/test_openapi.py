"""The OpenAPI description of the front door says what it does, and it does what the description says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import jsonschema_rs
import pytest

from functions.domain.catalog import EVENT_TYPES
from tests.servers import frontdoor, raw
from tests.servers.document import Document, fuzzed
from tests.servers.frontdoor import FrontDoor

DOORS = ("/", "/v1/events", "/api/v1/events", "/api/events")
PAGES = ("/health", "/ready", "/live", "/openapi.json")


@pytest.fixture(scope="module")
def front_door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontDoor]:
    with frontdoor.running(tmp_path_factory.mktemp("frontdoor")) as started:
        yield started


def test_no_request_gets_a_5xx_no_invalid_one_gets_in_and_every_answer_is_as_described(
    front_door: FrontDoor, tmp_path: Path
) -> None:
    told = fuzzed(front_door.part.url, front_door.key, tmp_path, examples=100)
    assert re.search(r"Tested: 7\b", told), "all but the description itself, which it has read"
    log = front_door.part.log.read_text("utf-8")
    assert "Traceback" not in log
    stored = {event["source"] for event in front_door.stored()}
    assert {"/schemathesis", "/api/v1/events", "/api/events"} < stored, "it got through every door"


def test_it_describes_every_path_and_method_there_is(front_door: FrontDoor) -> None:
    described = front_door.http.get("/openapi.json").json()["paths"]
    named = {(path, method) for path, operations in described.items() for method in operations}
    assert named == {(path, "post") for path in DOORS} | {(path, "get") for path in PAGES}
    for path in DOORS:
        answer = front_door.http.get(path)
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    for path in PAGES:
        answer = front_door.http.post(path)
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
        assert front_door.http.head(path).status_code == front_door.http.get(path).status_code == 200
    assert "no-body" not in front_door.part.log.read_text("utf-8"), "HEAD is answered without a body"


def test_it_names_the_types_of_the_catalog(front_door: FrontDoor) -> None:
    schemas = front_door.http.get("/openapi.json").json()["components"]["schemas"]
    for described in (schemas["CloudEvent"]["properties"]["type"], schemas["Record"]["properties"]["eventType"]):
        assert described["anyOf"][0]["enum"] == sorted(EVENT_TYPES)


def test_its_examples_are_taken(front_door: FrontDoor) -> None:
    document = Document(front_door.http.get("/openapi.json").json())
    for request in document.requests():
        answer = request.sent(front_door.http)
        assert answer.is_success, (request, answer.text)
        document.check(request.operation, answer)


def test_what_schemathesis_does_not_provoke_is_as_described_too(front_door: FrontDoor) -> None:
    page = front_door.http.get("/openapi.json").json()
    components, key = page["components"], front_door.key
    sent = {
        400: raw.request(b"{", key=key),
        401: raw.request(b"{}", key="sspp_unknown"),
        408: raw.head("content-length: 9", key=key),
        413: raw.head("content-length: 209715200", key=key),
        414: raw.head(path="/" + "x" * 9000, key=key),
        431: raw.head(f"x-long: {'x' * 17_000}", key=key),
        501: raw.head("transfer-encoding: odd", key=key),
    }
    for status, request in sent.items():
        reply = raw.asked(front_door.part.url, request)
        assert reply is not None, status
        assert reply.status == status
        name = page["paths"]["/"]["post"]["responses"][str(status)]["$ref"].rpartition("/")[2]
        described = components["responses"][name]
        shown = described["content"][reply.headers["content-type"]]["examples"]["problem"]["value"]
        assert reply.json()["title"] == shown["title"] or status == 400
        for header in described.get("headers", {}):
            assert header in reply.headers, (status, header)
        problem = {**components["schemas"]["Problem"], "components": components}
        jsonschema_rs.validate(problem, reply.json())
