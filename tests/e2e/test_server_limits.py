"""What the server bears: long bodies, many headers, slow senders, and a stop in the middle."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from urllib.parse import urlsplit

import httpx
import pytest

from functions.web.asgi import UNWANTED_TIMEOUT_S
from functions.web.connection import HEAD_TIMEOUT_S
from functions.web.threaded import EARLY_S
from tests.e2e.conftest import OPERATOR_KEY, Platform, event
from tests.servers import raw as http
from tests.servers.parts import FUNCTIONS, TOKEN, until


def test_a_body_that_is_declared_too_long_is_refused_before_it_is_sent(platform: Platform) -> None:
    with _connected(platform) as raw:
        raw.sendall(_head(platform, "content-length: 209715200"))
        assert _status(raw) == 413


def test_a_body_in_endless_chunks_is_cut_off(platform: Platform) -> None:
    with _connected(platform) as raw:
        raw.sendall(_head(platform, "transfer-encoding: chunked"))
        chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
        try:
            for _ in range(64):
                raw.sendall(chunk)
        except OSError:
            pass  # cut off while we were still sending
        assert _status(raw) in {413, None}


@pytest.mark.parametrize(
    "headers",
    ["\r\n".join(f"x-{number}: 1" for number in range(10_000)), f"x-long: {'x' * 100_000}"],
    ids=["ten thousand headers", "one long header"],
)
def test_more_headers_than_anyone_needs_are_refused(platform: Platform, headers: str) -> None:
    with _connected(platform) as raw:
        try:
            raw.sendall(_head(platform, headers))
        except OSError:
            return
        assert _status(raw) in {400, 431, None}


@pytest.mark.alone
def test_a_connection_that_does_not_bring_a_request_is_closed(platform: Platform) -> None:
    with ExitStack() as stack:
        started = time.monotonic()
        connections = [stack.enter_context(http.connected(platform.parts[name].url)) for name in FUNCTIONS]
        for raw in connections[1:]:  # a connection that brought one before has no more time for the next
            raw.sendall(b"GET /live HTTP/1.1\r\nhost: x\r\n\r\n")
            assert getattr(http.reply(raw), "status", None) == 200
        for raw in connections:
            raw.sendall(b"POST /v1/events HTTP/1.1\r\nhost: x\r\nx-slow:")
        for raw in connections:
            assert raw.recv(1) == b""
            assert HEAD_TIMEOUT_S - 1 < time.monotonic() - started < HEAD_TIMEOUT_S + 5


@pytest.mark.alone
@pytest.mark.parametrize("function", FUNCTIONS)
def test_senders_that_wait_in_the_middle_of_a_request_hold_up_nobody(platform: Platform, function: str) -> None:
    url, length = platform.parts[function].url, "content-length: 500"
    begun = [
        b"GET /health HTTP/1.1\r\nhost: x\r\nx-a: ",
        http.head(length, key="sspp_unknown") + b"{}",
        http.head(length, key=platform.key) + b"{}",
        http.head(length, key=OPERATOR_KEY, path="/api/v1/dead-letters/redrive") + b"{}",
        http.head(length, f"authorization: Bearer {TOKEN}") + b"{}",
    ]
    with ExitStack() as stack:
        for start in begun * 12:
            stack.enter_context(http.connected(url)).sendall(start)
        started = time.monotonic()
        while time.monotonic() < started + 5 * EARLY_S:  # by then all of them have been looked at
            assert httpx.get(f"{url}/health", timeout=2).status_code == 200


@pytest.mark.alone
@pytest.mark.parametrize(
    ("function", "path", "key", "length", "status"),
    [
        ("api", "/", "sspp_unknown", 500, 401),
        ("api", "/", None, 209_715_200, 413),
        ("api", "/", "sspp_unknown", 209_715_200, 401),
        ("api", "/api/v1/dead-letters/redrive", "sspp_unknown", 500, 401),
        ("api", "/api/v1/dead-letters/redrive", OPERATOR_KEY, 209_715_200, 413),
        ("api", "/nowhere", "sspp_unknown", 209_715_200, 404),
        ("process", "/", "sspp_unknown", 209_715_200, 401),
        ("process", "/", TOKEN, 209_715_200, 413),
    ],
)
def test_what_its_head_decides_needs_no_body(
    platform: Platform, function: str, path: str, key: str | None, length: int, status: int
) -> None:
    credential = f"authorization: Bearer {key or platform.key}"
    started = time.monotonic()
    reply = http.asked(platform.parts[function].url, http.head(credential, f"content-length: {length}", path=path))
    assert reply is not None
    assert (reply.status, reply.headers.get("connection")) == (status, "close")
    assert reply.headers["content-type"] == "application/problem+json"
    assert time.monotonic() - started < UNWANTED_TIMEOUT_S + 2


def test_a_body_that_stays_away_is_late_at_the_api_too(platform: Platform) -> None:
    head = http.head(f"content-length: {500}", key=platform.key)
    reply = http.asked(platform.parts["api"].url, head + b"{}")
    assert reply is not None
    assert (reply.status, reply.headers.get("connection")) == (408, "close")


@pytest.mark.parametrize("pieces", [1, 2, 7])
def test_an_event_that_comes_to_the_api_in_pieces_is_taken(platform: Platform, pieces: int) -> None:
    one = event(data={"accountId": "acme", "metadata": {"note": "x" * 300_000}})
    whole = http.request(json.dumps(one).encode(), key=platform.key)
    head = whole.index(b"\r\n\r\n") + 4
    with http.connected(platform.parts["api"].url) as connection:
        for round_ in range(2):  # the connection stays good
            connection.sendall(whole[:head])
            for start in range(head, len(whole), len(whole) // pieces):
                time.sleep(EARLY_S / pieces)
                connection.sendall(whole[start : start + len(whole) // pieces])
            reply = http.reply(connection)
            assert reply is not None
            assert (reply.status, reply.json()["duplicate"]) == (202, round_ == 1)


def test_a_connection_whose_request_was_refused_by_its_head_can_be_used_again(platform: Platform) -> None:
    body = json.dumps(event()).encode()
    with http.connected(platform.parts["ingest"].url) as connection:
        for key, status in (("sspp_unknown", 401), (platform.key, 202), ("sspp_unknown", 401), (platform.key, 202)):
            request = http.request(body, key=key)
            connection.sendall(request[: -len(body)])
            platform.ingest.get("/ready")  # the head is there by now, as it is when it travels alone
            connection.sendall(body)
            reply = http.reply(connection)
            assert reply is not None
            assert (reply.status, reply.headers.get("connection")) == (status, None)


@pytest.mark.parametrize(
    "headers", [["content-length: 209715200"], ["content-length: 100", "expect: 100-continue"], ["content-length: 9"]]
)
def test_a_connection_is_only_closed_after_it_was_said(platform: Platform, headers: list[str]) -> None:
    with http.connected(platform.parts["ingest"].url) as connection:
        connection.sendall(http.head(*headers, key="sspp_unknown"))  # and nothing more
        reply = http.reply(connection)
        assert reply is not None
        assert (reply.status, reply.headers.get("connection")) == (401, "close")
        assert http.reply(connection) is None


@pytest.mark.parametrize("function", ["ingest", "api"])
def test_what_follows_a_request_and_is_none_takes_its_answer_from_nobody(platform: Platform, function: str) -> None:
    with http.connected(platform.parts[function].url) as connection:
        connection.sendall(http.request(json.dumps(event()).encode(), key=platform.key) + b"no request\r\n\r\n")
        reply = http.reply(connection)
        assert reply is not None
        assert reply.status == 202
        assert http.reply(connection) is None


def test_who_asks_for_another_protocol_is_answered_in_this_one(platform: Platform) -> None:
    upgrade = ("connection: Upgrade, HTTP2-Settings", "upgrade: h2c", "http2-settings: AAMAAABk")
    with http.connected(platform.parts["ingest"].url) as connection:
        for body in (b"", json.dumps(event()).encode(), b""):
            posted = http.request(body, *upgrade, key=platform.key)
            connection.sendall(posted if body else http.head(*upgrade, method="GET", path="/live"))
            reply = http.reply(connection)
            assert reply is not None
            assert reply.status == (202 if body else 200)


@pytest.mark.alone
def test_a_burst_of_senders_is_let_in_however_busy_the_server_is(platform: Platform) -> None:
    process = platform.parts["ingest"].process
    assert process is not None
    with ExitStack() as stack:
        os.kill(process.pid, signal.SIGSTOP)
        try:
            for _ in range(500):  # let in too late, it raises
                stack.enter_context(http.connected(platform.parts["ingest"].url, timeout_s=0.5))
        finally:
            os.kill(process.pid, signal.SIGCONT)


@pytest.mark.alone
@pytest.mark.parametrize("function", ["ingest", "api"])
def test_a_stopped_door_answers_what_it_has_begun(platform: Platform, function: str) -> None:
    body = json.dumps(event()).encode()
    door, client = platform.parts[function], {"ingest": platform.ingest, "api": platform.api}[function]
    with http.connected(door.url) as raw:
        raw.sendall(_head(platform, f"content-length: {len(body)}") + body[:10])
        client.get("/ready")  # it has our first bytes by now
        with ThreadPoolExecutor(1) as threads:
            stopping = threads.submit(door.stop)
            until(lambda: not _accepts(door.url), within_s=10, what="it takes no new connections")
            raw.sendall(body[10:])
            assert _status(raw) == 202
            started = time.monotonic()
            assert stopping.result() == 0
            # The client of this test has a connection open that it does not use; nobody waits for that.
            assert time.monotonic() - started < 5
    door.start()
    until(door.ready, within_s=20, what="it is back")


def _connected(platform: Platform) -> closing[socket.socket]:
    target = urlsplit(platform.parts["ingest"].url)
    return closing(socket.create_connection((target.hostname or "", target.port or 0), timeout=40))


def _accepts(url: str) -> bool:
    target = urlsplit(url)
    try:
        socket.create_connection((target.hostname or "", target.port or 0), timeout=1).close()
    except OSError:
        return False
    return True


def _head(platform: Platform, headers: str) -> bytes:
    lines = [
        "POST /v1/events HTTP/1.1",
        "host: x",
        f"x-api-key: {platform.key}",
        "content-type: application/cloudevents+json",
        headers,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _status(raw: socket.socket) -> int | None:
    """The status of the answer; None when the connection was cut off without one."""
    try:
        first = raw.recv(65536).split(b"\r\n", 1)[0]
    except ConnectionResetError:
        return None
    return int(first.split()[1]) if first else None
