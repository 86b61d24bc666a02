"""The API's document and the pages that show it: what is in there exists, what exists is in there, examples work."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from events.keyspace import dead_key
from functions.api import docs, examples
from functions.api.app import PAGES, RESOURCES
from functions.ingest.description import EVENT
from functions.ingest.doors import DOORS
from tests.e2e.conftest import Installation
from tests.servers import tenant
from tests.servers.document import Document, fuzzed
from tests.servers.parts import until

METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}
LETTERS = "/api/v1/dead-letters"
#: What the tenant of the examples cannot be answered: it has no outcomes.
REFUSED = {"/api/v1/calibrate": 422}
#: Lists that show what silence has brought to the account of the examples since then, too.
SINCE = {"/api/v1/accounts/{id}/insights"}
#: What is another one each time: what is drawn, when it was, what fades or has ended by now, how the search cuts texts
#: and how many dead letters there are of those that this test makes.
FLEETING = {
    *("processed_at", "received_at", "created_at", "sent_at", "at", "first_at", "last_at"),
    *("closed_at", "open", "id", "rule_id", "engagement", "band", "grade", "highlight", "redriven", "purged"),
    *("next_cursor", "as_of", "changes"),
}


@pytest.fixture(scope="module")
def api(installation: Installation) -> Iterator[httpx.Client]:
    """The API to the tenant of the examples."""
    rule = tenant.rule("a demo was completed", 'event.type == "demo_completed"', "sales@example.com")
    key = installation.tenant("example", rule)
    with httpx.Client(base_url=installation.parts["api"].url, headers={"x-api-key": key}, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def document(api: httpx.Client) -> Document:
    return Document(api.get("/openapi.json", headers={"x-api-key": ""}).json())


@pytest.fixture
def letter(installation: Installation) -> Iterator[Callable[[], str]]:
    """Writes a dead letter as the dispatcher does, of an event without an account; returns its id."""
    stamps = {"sspptenant": "example", "ssppreceived": "2026-01-05T10:00:01.250000Z"}
    fields: Any = {
        "event": json.dumps({**EVENT, "data": {}, **stamps}),
        "reason": "/data/accountId: is required, unless subject is account/<id>",
        "status": 422,
        "tenant": "example",
        "attempts": 1,
        "first": 1_767_607_201_310,
        "last": 1_767_607_201_310,
    }
    with redis.Redis.from_url(installation.redis_url, decode_responses=True) as client:
        yield lambda: f"events:0:{client.xadd(dead_key('events', 0), fields)}"
        client.delete(dead_key("events", 0))


def told(api: httpx.Client) -> dict[str, Any]:
    """Where the event of the examples is."""
    found: dict[str, Any] = api.get(f"/api/v1/events/{examples.EVENT}").json()
    return found


def test_every_example_is_answered_as_the_document_says(
    letter: Callable[[], str], api: httpx.Client, document: Document
) -> None:
    requests = list(document.requests())
    for request in (each for each in requests if each.path in DOORS):
        answer = request.sent(api)
        assert answer.is_success, (request, answer.text)
        document.check(request.operation, answer)
    until(
        lambda: told(api).get("indexed", False) and [each["state"] for each in told(api)["notices"]] == ["sent"],
        within_s=20,
        what="the example is processed, and its notice sent",
    )
    changes = [
        each
        for each in requests
        if each.method in {"PATCH", "POST"} and "202" in each.operation["responses"] and each.path not in DOORS
    ]
    for request in sorted(changes, key=lambda each: each.method == "PATCH"):
        changing = request.sent(api).json()["id"]
        until(lambda: api.get(f"/api/v1/signals/{changing}").is_success, within_s=20, what="a change")  # noqa: B023
    others = [each for each in requests if each.path not in DOORS and each not in changes]
    # Last of all the event is taken back.
    for request in sorted(
        others, key=lambda each: each.method == "DELETE" and each.path.startswith("/api/v1/events/")
    ):
        made = letter() if request.path.startswith(LETTERS) else ""
        answer = request.sent(api, **({"id": made} if made and "{id}" in request.path else {}))
        assert answer.is_success or answer.status_code == REFUSED.get(request.path), (request, answer.text)
        document.check(request.operation, answer)
        if request.path in (REFUSED.keys() | SINCE):
            continue
        shown = request.operation["responses"][str(answer.status_code)]["content"]
        if request.path not in PAGES and "application/json" in shown:
            (example,) = shown["application/json"]["examples"].values()
            assert {answer.json().get(name, 1) > 0 for name in ("redriven", "purged")} == {True}
            assert lasting(answer.json()) == lasting(example["value"]), request.path


def lasting(answer: Any) -> Any:
    """An answer without what is drawn, or depends on when it is asked for."""
    if isinstance(answer, dict):
        return {name: lasting(value) for name, value in answer.items() if name not in FLEETING}
    return [lasting(each) for each in answer] if isinstance(answer, list) else answer


def test_every_answer_of_the_api_is_as_described_and_no_request_gets_a_5xx(
    installation: Installation, api: httpx.Client, tmp_path: Path
) -> None:
    # Of a path with a word where another has an id, `Allow` names the methods of both, and unsupported ones find none.
    own = ["--include-path-regex", "^/api/v1/(?!events$)"]
    own += ["--exclude-checks", "unsupported_method,allow_header_conformance"]
    said = fuzzed(str(api.base_url).rstrip("/"), api.headers["x-api-key"], tmp_path, *own, examples=20)
    routes = sum(len(resource.routes) for resource in RESOURCES)
    assert f"Tested: {routes}" in said
    assert "Traceback" not in installation.parts["api"].log.read_text("utf-8")


def test_every_operation_exists_and_no_other_method_of_its_path_does(api: httpx.Client, document: Document) -> None:
    described = {(path, method) for path, method, _ in document.operations()}
    for path in {path for path, _ in described}:
        real = path.format(id="x", contact="x", other="x", file="start.js")
        fits = {method for other, method in described if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", other), real)}
        for method in METHODS:
            status = api.request(method, real, headers={"x-api-key": "sspp_unknown"}).status_code
            assert (status == 405) == (method not in fits), (method, path, status)


def test_what_is_secured_says_so_and_nothing_else_needs_a_key(api: httpx.Client, document: Document) -> None:
    for path, method, operation in document.operations():
        answer = api.request(
            method, path.format(id="x", contact="x", other="x", file="start.js"), headers={"x-api-key": ""}
        )
        assert (answer.status_code == 401) == bool(operation["security"]), (method, path, answer.status_code)
        assert all(
            f"`{scope}`" in operation["description"]
            for needed in operation["security"]
            for scopes in needed.values()
            for scope in scopes
        )


def test_the_page_loads_only_what_is_served_here_and_its_policy_allows_no_more(api: httpx.Client) -> None:
    anybody = {"x-api-key": ""}
    page = api.get(docs.PATH, headers=anybody)
    assert api.get(f"{docs.PATH}/", headers=anybody).text == page.text
    policy = dict(each.strip().split(" ", 1) for each in page.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert not re.search(r"<script(?![^>]*src=)|<style| style=| on\w+=", page.text), "nothing is inline"
    types = {".js": "text/javascript", ".css": "text/css", ".png": "image/png"}
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert {f"{docs.PATH}/swagger-ui-bundle.js", f"{docs.PATH}/swagger-ui.css"} < set(loaded) < set(docs.FILES)
    for path in loaded:
        answer = api.get(path, headers=anybody)
        assert answer.status_code == 200, path
        assert answer.headers["content-type"].startswith(types[re.findall(r"\.\w+$", path)[0]])
    script = api.get(f"{docs.PATH}/start.js", headers=anybody).text
    assert "https://" not in script
    for path in (*loaded, docs.PATH, "/openapi.json", "/health", "/ready", "/live"):
        head, got = api.head(path, headers=anybody), api.get(path, headers=anybody)
        assert (head.status_code, head.content, head.headers["content-type"]) == (
            200,
            b"",
            got.headers["content-type"],
        )
