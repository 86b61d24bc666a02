"""What the server bears: long bodies, many headers, slow senders, and a stop in the middle."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from functions.ingest.worker import FIRST_HEAD_TIMEOUT_S
from tests.e2e.conftest import Platform, event
from tests.servers import raw as http
from tests.servers.parts import until


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


def test_a_connection_that_does_not_bring_a_request_is_closed(platform: Platform) -> None:
    with _connected(platform) as raw:
        raw.sendall(b"POST /v1/events HTTP/1.1\r\nhost: x\r\nx-slow:")
        started = time.monotonic()
        assert raw.recv(1) == b""
        assert FIRST_HEAD_TIMEOUT_S - 1 < time.monotonic() - started < FIRST_HEAD_TIMEOUT_S + 5


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


def test_a_burst_of_senders_is_let_in_however_busy_the_server_is(platform: Platform) -> None:
    process = platform.parts["ingest"].process
    assert process is not None
    (worker,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text("utf-8").split()
    with ExitStack() as stack:
        os.kill(int(worker), signal.SIGSTOP)
        try:
            for _ in range(500):  # let in too late, it raises
                stack.enter_context(http.connected(platform.parts["ingest"].url, timeout_s=0.5))
        finally:
            os.kill(int(worker), signal.SIGCONT)


def test_a_stopped_ingest_answers_what_it_has_begun(platform: Platform) -> None:
    body = json.dumps(event()).encode()
    ingest = platform.parts["ingest"]
    with _connected(platform) as raw:
        raw.sendall(_head(platform, f"content-length: {len(body)}") + body[:10])
        platform.ingest.get("/ready")  # it has our first bytes by now
        with ThreadPoolExecutor(1) as threads:
            stopping = threads.submit(ingest.stop)
            until(lambda: not _accepts(ingest.url), within_s=10, what="it takes no new connections")
            raw.sendall(body[10:])
            assert _status(raw) == 202
            started = time.monotonic()
            assert stopping.result() == 0
            # The client of this test has a connection open that it does not use; nobody waits for that.
            assert time.monotonic() - started < 5
    ingest.start()
    until(ingest.ready, within_s=20, what="ingest is back")


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
