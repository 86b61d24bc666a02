"""One base URL is enough: the API takes events as ingest does."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from tests.e2e.conftest import Installation, Platform, event
from tests.servers import frontdoor, parts
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


@pytest.mark.parametrize(
    ("function", "path"),
    [("ingest", "/v1/events"), ("api", "/v1/events"), ("api", "/api/v1/dead-letters/redrive"), ("process", "/")],
)
def test_a_key_that_does_not_work_is_refused_everywhere(platform: Platform, function: str, path: str) -> None:
    url = platform.parts[function].url
    answer = httpx.post(f"{url}{path}", json=event(), headers={**STRUCTURED, "x-api-key": "no"})
    assert answer.status_code == 401
    assert answer.headers.get_list("www-authenticate") == ["Bearer"]


def test_a_longer_body_is_taken_at_both_doors_where_the_setting_says_so(
    installation: Installation, tmp_path: Path
) -> None:
    told = {"SSPP_MAX_BODY_BYTES": "12000000"}
    stores = {"DATABASE_URL": installation.database_url}
    (tmp_path / "api").mkdir()
    with (
        frontdoor.running(tmp_path, env=told) as door,
        parts.running(
            tmp_path / "api", env={**told, **stores, "REDIS_URL": door.redis_url}, names=("api", "process")
        ) as started,
    ):
        content = json.dumps(event(data={"accountId": "a", "metadata": {"note": "x" * 11_900_000}})).encode()
        headers = {**STRUCTURED, "x-api-key": door.key}
        for url in (door.part.url, started["api"].url):
            taken = httpx.post(f"{url}/", content=content, headers=headers, timeout=30)
            assert (taken.status_code, taken.json()["duplicate"]) == (202, url != door.part.url)
            assert httpx.post(f"{url}/", content=content + b" " * 100_000, headers=headers).status_code == 413
        (stored,) = door.stored()
        delivered = httpx.post(
            started["process"].url, json=stored, headers={**STRUCTURED, "authorization": f"Bearer {parts.TOKEN}"}
        )
        assert delivered.status_code == 200, delivered.text
