"""Nothing that was sent shows where it has no business: not in a log, a metric, or an answer to somebody else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest

from tests.e2e.conftest import OPERATOR_KEY, Installation, Platform, event
from tests.servers import parts, raw
from tests.servers.parts import FUNCTIONS, until
from tests.servers.raw import BATCH, STRUCTURED

DOORS = ("/", "/v1/events", "/api/v1/events", "/api/events")
PAGES = ("/health", "/ready", "/live", "/metrics", "/openapi.json", "/nowhere")
#: Every header that anything of ours reads, some that it does not, and how a canary is put into each.
HEADERS: dict[str, str] = {
    "x-api-key": "sspp_{}",
    "authorization": "Bearer sspp_{}",
    "cookie": "session={}",
    "content-type": "application/json; charset={}",
    "content-encoding": "{}",
    "ce-specversion": "{}",
    "ce-id": "{}",
    "ce-source": "/{}",
    "ce-type": "{}",
    "ce-subject": "account/{}",
    "ce-time": "{}",
    "ce-sspptenant": "{}",
    "traceparent": "00-{}-00",
    "tracestate": "{}",
    "idempotency-key": "{}",
    "origin": "https://{}.example",
    "referer": "https://example.com/?{}",
    "user-agent": "{}",
    "accept": "{}",
    "expect": "{}",
    "x-forwarded-for": "{}",
    "x_underscore": "{}",
    "upgrade": "{}",
}


@pytest.fixture
def canary() -> str:
    """Found nowhere else; in lower case, as it is looked for."""
    return f"canary{uuid4().hex}"


@pytest.fixture
def stranger(installation: Installation) -> Iterator[httpx.Client]:
    """Another tenant, asking the API."""
    key = installation.tenant(f"stranger-{uuid4().hex[:12]}")
    with httpx.Client(base_url=installation.parts["api"].url, headers={"x-api-key": key}, timeout=30) as client:
        yield client


def texts(platform: Platform) -> dict[str, str]:
    """Every log of the installation, those of its stores too, and what every part measures."""
    folder = platform.parts["ingest"].log.parent
    logs = {str(path): path.read_text("utf-8", "replace") for path in folder.rglob("*.log")}
    parts = platform.parts.by_name.values()
    return logs | {f"{part.name}/metrics": httpx.get(f"{part.metrics_url}/metrics").text for part in parts}


def assert_unseen(platform: Platform, *secrets: str) -> None:
    for name, text in texts(platform).items():
        for secret in secrets:
            assert secret.lower() not in text.lower(), f"{secret} is in {name}"
        assert "Traceback" not in text, name


def bodies(canary: str) -> list[tuple[str, bytes]]:
    """Content types and bodies that hold the canary where something can be wrong with them."""
    good = f'{{"specversion":"1.0","id":"{canary}","source":"/{canary}","type":"demo_completed"'
    return [
        (STRUCTURED, f"{{{canary}".encode()),
        (STRUCTURED, f'{{"{canary}":"{canary}"}}'.encode()),
        (STRUCTURED, f'{good},"data":{{"accountId":["{canary}"]}}}}'.encode()),
        (STRUCTURED, f'{good},"sspp{canary}":"{canary}","data":{{"accountId":"a"}}}}'.encode()),
        (STRUCTURED, f'{good},"time":"{canary}","subject":"\\u0000{canary}"}}'.encode()),
        (BATCH, f'[{good},"data":"{canary}"}},"{canary}"]'.encode()),
        (BATCH, f'["{canary}'.encode()),
        ("application/json", f'{{"type":"","payload":"{canary}","eventType":"{canary}"}}'.encode()),
        (f"application/{canary}", canary.encode()),
    ]


def test_what_a_processed_event_holds_is_in_no_log_and_no_metric(platform: Platform, canary: str) -> None:
    address = f"{canary}@example.com"
    data = {"accountId": f"{canary}-account", "contactId": address, "metadata": {"note": canary}}
    platform.mailbox.answer = f"550 {address} is unknown"
    try:
        id_ = platform.post(event(id=canary, source=f"/{canary}", data=data)).json()["id"]
        until(lambda: _tried(platform, id_), within_s=10, what="its notice was refused by the mail server")
    finally:
        platform.mailbox.answer = "250 OK"
    platform.ingest.post("/api/events", json={"type": f"{canary}.type", "payload": {"email": address}})
    platform.ingest.post("/api/v1/events", json={"accountId": canary, "userId": address, "eventType": canary})
    for question in ("accounts/{}", "signals?accountId={}", "signals/search?q={}", "signals?{}=1", "signals/{}"):
        platform.api.get(f"/api/v1/{question.format(canary)}", headers={"x-secret": canary})
    platform.api.get("/api/v1/signals", headers={"x-api-key": f"sspp_{canary}"})
    assert "refused" in platform.parts.logs(), "there is something to look through"
    assert_unseen(platform, canary, platform.key, platform.recipient)


def test_whatever_header_or_body_it_came_in_ingest_keeps_it_to_itself(platform: Platform, canary: str) -> None:
    answers = []
    # The path comes first: of a flood of refusals only the first of a second are logged.
    for path in (f"/{canary}", f"/api/v1/events/{canary}?{canary}={canary}", *DOORS, *PAGES):
        for name, form in HEADERS.items():
            headers = {"content-type": "application/json", name: form.format(canary)}
            answers += [platform.ingest.request(method, path, headers=headers) for method in ("POST", "GET")]
        for content_type, body in bodies(canary):
            answers.append(platform.ingest.post(path, content=body, headers={"content-type": content_type}))
    assert {401, 404, 400, 415, 422, 405} <= {answer.status_code for answer in answers}
    # A pointer names the attribute that is wrong, to the one who has sent it: the only echo there is.
    echo = re.compile(rf"(?<!/)(?<!/sspp){canary}")
    assert [answer.text for answer in answers if echo.search(answer.text)] == []
    assert all(canary not in str(answer.headers).lower() for answer in answers)
    assert_unseen(platform, canary, platform.key)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_what_is_no_request_is_refused_without_an_echo(platform: Platform, canary: str, function: str) -> None:
    url, key = platform.parts[function].url, f"sspp_{canary}"
    sent = {
        "a header's name": (raw.head(f"bad {canary}: 1", key=key), 400),
        "a header without a colon": (raw.head(canary, key=key), 400),
        "a key without a colon": (raw.head(f"x-api-key {key}", method="GET", path="/health"), 400),
        "a header's value": (raw.head(f"x-odd: {canary}\x01", key=key), 400),
        "a length": (raw.head(f"content-length: {canary}", key=key), 400),
        "two lengths": (raw.head("content-length: 1", "content-length: 2", f"x: {canary}", key=key), 400),
        "a coding": (raw.head(f"transfer-encoding: {canary}", key=key), 501),
        "a version": (f"GET / {canary}\r\n\r\n".encode(), 400),
        "a method": (f"{canary} / HTTP/1.1\r\n\r\n".encode(), 400),
        "a target": (f"GET {canary} HTTP/1.1\r\n\r\n".encode(), 400),
        "a long target": (raw.head(path=f"/{canary * 300}", key=key), 414),
        "a long header": (raw.head(f"x-long: {canary * 500}", key=key), 431),
        "many headers": (raw.head(*(f"x-{canary}-{n}: 1" for n in range(101)), key=key), 431),
    }
    for name, (request, status) in sent.items():
        reply = raw.asked(url, request)
        assert reply is not None, name
        assert reply.status == status, name
        assert reply.headers["content-type"] == "application/problem+json", name
        assert reply.headers["connection"] == "close", name
        assert reply.json()["status"] == status, name
        assert canary not in str(reply).lower(), name
    for path in ("/", "/api/v1/dead-letters/redrive"):
        for credential in (platform.key, OPERATOR_KEY, parts.TOKEN):
            chunked = raw.head(
                "transfer-encoding: chunked", f"authorization: Bearer {credential}", path=path, method="POST"
            )
            with raw.connected(url) as connection:
                connection.sendall(chunked + f"{canary}\r\n\r\n".encode())
                reply = raw.reply(connection)
            assert reply is not None, "a chunk's size"
            assert (reply.status, reply.headers["content-type"]) == (400, "application/problem+json")
            assert canary not in str(reply).lower()
    assert_unseen(platform, canary, key)


def test_nobody_is_upgraded_to_another_protocol(platform: Platform) -> None:
    url = platform.parts["ingest"].url
    upgrade = ("connection: upgrade", "sec-websocket-version: 13", "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==")
    for protocol in ("websocket", "h2c"):
        asked = raw.head(*upgrade, f"upgrade: {protocol}", method="GET", path="/ready")
        reply = raw.asked(url, asked)
        assert reply is not None
        assert reply.status == 200
    assert_unseen(platform)


def test_another_tenant_finds_nothing_of_it(platform: Platform, stranger: httpx.Client, canary: str) -> None:
    data = {"accountId": canary, "contactId": f"{canary}@example.com", "metadata": {"note": canary}}
    mine = event(id=canary, source=f"/{canary}", data=data)
    id_ = platform.post(mine).json()["id"]
    until(lambda: canary in platform.api.get(f"/api/v1/signals/{id_}").text, within_s=5, what="it is processed")
    until(lambda: bool(platform.mails), within_s=5, what="its notice is sent")
    questions = ("signals", "signals/{id}", "signals/search?q={canary}", "accounts", "accounts/{canary}")
    for question in (*questions, "events/{id}", "notifications"):
        answer = stranger.get(f"/api/v1/{question.format(id=id_, canary=canary)}")
        assert canary not in answer.text, question
    headers = {"content-type": STRUCTURED, **stranger.headers}
    same = httpx.post(f"{platform.parts['ingest'].url}/", json=mine, headers=headers)
    assert same.json()["duplicate"] is False, "the same source and id are another event with another tenant"
    assert same.json()["id"] != id_


def _tried(platform: Platform, id_: str) -> bool:
    notices = platform.api.get(f"/api/v1/events/{id_}").json()["notices"]
    return bool(notices and notices[0]["deliveries"])
