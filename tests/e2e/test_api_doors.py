"""One base URL is enough: the API takes events as ingest does."""

from __future__ import annotations

import httpx
import pytest

from tests.e2e.conftest import Platform, event
from tests.servers.parts import until

STRUCTURED = {"content-type": "application/cloudevents+json"}


def test_an_event_sent_to_the_api_is_a_signal_and_known_at_both_doors(platform: Platform) -> None:
    same = event()
    first = platform.api.post("/v1/events", json=same, headers=STRUCTURED)
    assert first.status_code == 202
    again = platform.ingest.post("/v1/events", json=same, headers=STRUCTURED)
    assert again.json() == {**first.json(), "duplicate": True}
    id_ = first.json()["id"]
    path = f"/api/v1/events/{id_}"
    until(lambda: bool(platform.api.get(path).json()["status"] == "processed"), within_s=5, what="it is processed")


def test_the_json_doors_are_open_on_the_api(platform: Platform) -> None:
    record = {"accountId": "a", "userId": "u", "eventType": "email_sent", "timestamp": "2026-11-01T10:00:00Z"}
    assert platform.api.post("/api/v1/events", json=record).status_code == 202
    assert platform.api.post("/api/events", json={"type": "odd.thing", "payload": {}}).status_code == 201


@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "in chunks"])
def test_a_body_too_long_is_refused_here_too(platform: Platform, chunked: bool) -> None:
    body = b" " * 1_048_577
    content = iter([body[:500_000], body[500_000:]]) if chunked else body
    answer = platform.api.post("/v1/events", content=content, headers=STRUCTURED)
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_key_that_does_not_work_is_refused_here_too(platform: Platform) -> None:
    url = platform.parts["api"].url
    assert httpx.post(f"{url}/v1/events", json=event(), headers={**STRUCTURED, "x-api-key": "no"}).status_code == 401
