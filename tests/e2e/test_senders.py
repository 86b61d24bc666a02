"""What senders in the field do: packed bodies, byte order marks, probes by HEAD, handshakes, keys as passwords."""

from __future__ import annotations

import gzip
import json
from base64 import b64encode
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import Platform, event
from tests.servers.parts import FUNCTIONS, until

PARTS = ("ingest", "api")
STRUCTURED = "application/cloudevents+json"
RECORD = {"accountId": "a", "userId": "u", "eventType": "email_sent", "timestamp": "2026-11-01T10:00:00Z"}
#: Door, content type, what to send, and the status when it is taken.
DOORS: list[tuple[str, str, Any, int]] = [
    ("/v1/events", STRUCTURED, event, 202),
    ("/", "application/cloudevents-batch+json", lambda: [event()], 202),
    ("/api/v1/events", "application/json", lambda: RECORD, 202),
    ("/api/events", "application/json", lambda: {"type": "x", "payload": {}}, 201),
]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(("path", "content_type", "made", "status"), DOORS)
def test_every_door_takes_gzip_a_byte_order_mark_and_a_slash_at_the_end(
    platform: Platform, part: str, path: str, content_type: str, made: Any, status: int
) -> None:
    client, headers = getattr(platform, part), {"content-type": content_type}
    slashed = path.rstrip("/") + "/"
    body = json.dumps(made()).encode()
    mark = b"\xef\xbb\xbf"
    packed = {**headers, "content-encoding": "gzip"}
    answers = [
        client.post(path, content=mark + body, headers=headers),
        client.post(path, content=gzip.compress(mark + body), headers=packed),
        client.post(slashed, content=body, headers=headers),
    ]
    assert [answer.status_code for answer in answers] == [status] * 3, [answer.text for answer in answers]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(("path", "content_type", "made", "status"), DOORS)
def test_what_no_door_takes_is_said_in_its_own_words(
    platform: Platform, part: str, path: str, content_type: str, made: Any, status: int
) -> None:
    body, headers = json.dumps(made()).encode(), {"content-type": content_type}
    for content, more, expected in (
        (body, {"content-encoding": "br"}, 415),
        (gzip.compress(body), {}, 415),
        (json.dumps(made()).encode("utf-16"), {}, 415),
        (gzip.compress(b" " * 2_000_000), {"content-encoding": "gzip"}, 413),
        (b"a=1&b=2", {}, 400),
    ):
        answer = getattr(platform, part).post(path, content=content, headers={**headers, **more})
        assert answer.status_code == expected, answer.text
        assert "expected value" not in answer.text


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("path", [door[0] for door in DOORS])
def test_a_web_hooks_handshake_is_answered_at_every_door(platform: Platform, part: str, path: str) -> None:
    url = platform.parts[part].url + path
    asked = {"webhook-request-origin": "eventemitter.example.com", "webhook-request-rate": "120"}
    answer = httpx.options(url, headers=asked)
    assert (answer.status_code, answer.content, answer.headers["allow"]) == (200, b"", "POST")
    assert answer.headers["webhook-allowed-origin"] == "eventemitter.example.com"
    assert answer.headers["webhook-allowed-rate"] == "*"
    assert httpx.options(url).status_code == 405


@pytest.mark.parametrize("part", FUNCTIONS)
@pytest.mark.parametrize("path", ["/health", "/ready"])
def test_a_probe_may_ask_by_head(platform: Platform, part: str, path: str) -> None:
    answer = httpx.head(platform.parts[part].url + path)
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize("part", PARTS)
def test_the_key_may_be_the_password_of_http_basic(platform: Platform, part: str) -> None:
    url = platform.parts[part].url
    for password, status in ((platform.key, 202), ("sspp_no", 401)):
        credentials = {"authorization": "Basic " + b64encode(f"me:{password}".encode()).decode()}
        answer = httpx.post(url, json=event(), headers={"content-type": STRUCTURED, **credentials})
        assert answer.status_code == status
    answer = httpx.get(platform.parts["api"].url + "/api/v1/signals", auth=("", platform.key))
    assert answer.status_code == 200


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(
    "subject",
    ["account/Café ☕".encode(), b"account/Caf%C3%A9%20%E2%98%95", '"account/Café ☕"'.encode()],
)
def test_an_accounts_name_in_a_header_is_never_garbled(platform: Platform, part: str, subject: bytes) -> None:
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/" + part, "ce-type": "demo_completed"}
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    answer = getattr(platform, part).post("/", headers=[*raw, (b"ce-subject", subject)])
    assert answer.status_code == 202, answer.text
    id_ = answer.json()["id"]
    until(lambda: platform.api.get(f"/api/v1/signals/{id_}").status_code == 200, within_s=10, what="a signal")
    assert platform.api.get(f"/api/v1/signals/{id_}").json()["account_id"] == "Café ☕"


@pytest.mark.parametrize(
    ("part", "path"), [("ingest", "/health"), ("ingest", "/nowhere"), ("api", "/api/v1/signals"), ("api", "/nowhere")]
)
def test_no_cache_keeps_what_is_somebodys(platform: Platform, part: str, path: str) -> None:
    for headers in ({}, {"x-api-key": platform.key}):
        answer = httpx.get(platform.parts[part].url + path, headers=headers)
        kept = answer.headers["cache-control"], answer.headers["x-content-type-options"]
        assert kept == ("no-store", "nosniff")
