"""What hurts other servers: slow senders by the hundred, bodies without end, bytes that are no HTTP."""

from __future__ import annotations

import json
import resource
import selectors
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.web.asgi import BODY_TIMEOUT_S
from tests.servers import frontdoor
from tests.servers import raw as http
from tests.servers.frontdoor import FrontDoor

SLOW = 500
#: Timeouts as they are in production, where the other tests have short ones.
PATIENT = {
    "SSPP_FUNCTION_TIMEOUT_SECONDS": "20",
    "SSPP_DELIVERY_TIMEOUT_SECONDS": "25",
    "SSPP_CLAIM_IDLE_SECONDS": "30",
}
#: Above what a loaded machine's scheduler takes by itself.
NOISE_S = 0.02


@pytest.fixture(scope="module")
def front_door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontDoor]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))
    with frontdoor.running(tmp_path_factory.mktemp("abuse"), env=PATIENT) as started:
        yield started


def body() -> bytes:
    event = {
        "specversion": "1.0",
        "id": uuid4().hex,
        "source": "/abuse",
        "type": "demo_completed",
        "data": {"accountId": "acme"},
    }
    return json.dumps(event).encode()


def head(front_door: FrontDoor, *headers: str, content_type: str = "application/cloudevents+json") -> bytes:
    lines = ["POST / HTTP/1.1", "host: x", f"x-api-key: {front_door.key}", f"content-type: {content_type}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def dialled(front_door: FrontDoor) -> socket.socket:
    target = urlsplit(front_door.part.url)
    return socket.create_connection((target.hostname or "", target.port or 0), timeout=60)


def p99_s(front_door: FrontDoor) -> float:
    """The 99th percentile of one sender's requests, one after the other."""
    taken = []
    for _ in range(200):
        started = time.perf_counter()
        content = {"content-type": "application/cloudevents+json"}
        assert front_door.http.post("/", content=body(), headers=content).status_code == 202
        taken.append(time.perf_counter() - started)
    return sorted(taken)[len(taken) * 99 // 100]


def is_calm(front_door: FrontDoor, idle_s: float) -> bool:
    """Whether nobody waits twice as long as when it was idle; a busy machine has a few tries to show it."""
    return any(p99_s(front_door) < max(2 * idle_s, NOISE_S) for _ in range(5))


def resident_kb(front_door: FrontDoor) -> int:
    """The memory the server has resident."""
    assert front_door.part.process is not None
    status = Path(f"/proc/{front_door.part.process.pid}/status").read_text("utf-8")
    return int(status.split("VmRSS:")[1].split()[0])


@pytest.mark.alone
@pytest.mark.slow
def test_a_thousand_slow_senders_hold_up_nobody_and_are_cut_off_in_time(front_door: FrontDoor) -> None:
    idle = p99_s(front_door)
    with ExitStack() as stack:
        started = time.monotonic()
        heads = [stack.enter_context(closing(dialled(front_door))) for _ in range(SLOW)]
        bodies = [stack.enter_context(closing(dialled(front_door))) for _ in range(SLOW)]
        for raw in heads:
            raw.sendall(b"POST / HTTP/1.1\r\nhost: x\r\nx-slow: ")
        for raw in bodies:
            raw.sendall(head(front_door, "content-length: 1000") + b"{")
        p99_s(front_door)  # by then all of them have been let in
        assert is_calm(front_door, idle)
        dripping = bodies.pop()
        with selectors.DefaultSelector() as answered:  # select() knows no more than 1024 files
            answered.register(dripping, selectors.EVENT_READ)
            while not answered.select(0.5):
                dripping.sendall(b" ")
        assert BODY_TIMEOUT_S - 1 < time.monotonic() - started < BODY_TIMEOUT_S + 10
        for raw in [*bodies, dripping]:
            assert raw.recv(4096).split()[1] == b"408"
        for raw in heads:
            raw.setblocking(False)  # all were cut off long ago
            with suppress(ConnectionResetError):
                assert raw.recv(1) == b""
    assert is_calm(front_door, idle)


def test_what_is_too_much_is_refused_without_being_kept(front_door: FrontDoor) -> None:
    p99_s(front_door)
    before = resident_kb(front_door)
    batch = b"[" + b",".join([body()] * 10_000) + b"]"
    batch_type = "application/cloudevents-batch+json"
    sent = [
        (head(front_door, f"content-length: {200 * 1024 * 1024}"), b"x" * 65536, {413}),
        (head(front_door, "transfer-encoding: chunked"), b"10000\r\n" + b" " * 65536 + b"\r\n", {413}),
        (head(front_door, *(f"x-{number}: 1" for number in range(10_000))), b"", {400, 431}),
        (head(front_door, f"content-length: {len(batch)}", content_type=batch_type), batch[:65536], {413}),
    ]
    for start, more, statuses in sent:
        with closing(dialled(front_door)) as raw:
            with suppress(ConnectionError):
                raw.sendall(start)
                for _ in range(64):
                    raw.sendall(more)
            with suppress(ConnectionError):
                answer = raw.recv(4096)
                assert not answer or int(answer.split()[1]) in statuses, answer
    many = b"[" + b",".join([b"{}"] * 10_000) + b"]"
    assert front_door.http.post("/", content=many, headers={"content-type": batch_type}).status_code == 413
    p99_s(front_door)
    assert resident_kb(front_door) - before < 20_000


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=400))
def test_bytes_that_are_no_http_are_refused_or_cut_off(front_door: FrontDoor, sent: bytes) -> None:
    with closing(dialled(front_door)) as raw:
        raw.sendall(sent + b"\r\n\r\n")
        raw.shutdown(socket.SHUT_WR)
        with suppress(ConnectionResetError):
            answer = raw.recv(4096)
            assert not answer or 400 <= int(answer.split()[1]) < 500, answer


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters()), inner, max_size=4),
    max_leaves=12,
)
ATTRIBUTES = ("id", "source", "type", "subject", "time", "data", "datacontenttype", "specversion", "odd", "sspptenant")


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(st.sampled_from(ATTRIBUTES), JSON),
    st.sampled_from(["application/cloudevents+json", "application/cloudevents-batch+json", "application/json", "x/y"]),
    st.sampled_from(["/", "/v1/events", "/api/v1/events", "/api/events"]),
)
def test_whatever_json_holds_the_answer_is_a_decision(
    front_door: FrontDoor, changes: dict[str, object], content_type: str, path: str
) -> None:
    event = {**json.loads(body()), **changes}
    sent = json.dumps([event] if "batch" in content_type else event, ensure_ascii=True).encode()
    answer = front_door.http.post(path, content=sent, headers={"content-type": content_type})
    assert answer.status_code in {201, 202, 207, 400, 409, 415, 422}, answer.text
    answer.json()


#: Header names that mean something to somebody on the way, and some that mean nothing.
NAMES = [
    "ce-id",
    "ce-time",
    "ce-type",
    "ce-Odd",
    "content-type",
    "content-length",
    "transfer-encoding",
    "connection",
    "expect",
    "upgrade",
    "te",
    "traceparent",
    "idempotency-key",
    "authorization",
    "x-api-key",
    "origin",
    "x_odd",
]


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.sampled_from(NAMES) | st.text(max_size=20), st.text(st.characters(max_codepoint=255), max_size=60)
        ),
        max_size=6,
    ),
    st.sampled_from(["POST", "GET", "HEAD", "PUT", "OPTIONS", "TRACE"]),
    st.sampled_from(["/", "/api/events", "/ready", "*", "http://x/v1/events", "//", "/%00%ff?%zz"]),
)
def test_whatever_headers_come_the_answer_is_whole_or_the_connection_closed(
    front_door: FrontDoor, headers: list[tuple[str, str]], method: str, path: str
) -> None:
    lines = [f"{name}: {value}" for name, value in headers]
    sent = ("\r\n".join([f"{method} {path} HTTP/1.1", "host: x", f"x-api-key: {front_door.key}", *lines])).encode()
    with http.connected(front_door.part.url, timeout_s=30) as raw:
        raw.sendall(sent + b"\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
        raw.shutdown(socket.SHUT_WR)
        reply = http.reply(raw, head_only=method == "HEAD")
    assert reply is None or 200 <= reply.status < 500 or reply.status == 501, reply
    if reply is not None and reply.status >= 400 and method != "HEAD":
        assert reply.json()["status"] == reply.status


NESTED = b"[" * 100_000 + b"]" * 100_000
ODD = {
    "a year nobody has": b'"99999-01-01T00:00:00Z"',
    "a day before the first": b'"0001-01-01T00:00:00+23:59"',
    "a leap second": b'"2016-12-31T23:59:60Z"',
    "a number too large": b"1e999",
    "no number": b"NaN",
    "a long number": b"9" * 5_000,
    "a lone surrogate": rb'"\ud800"',
    "half of a pair, the wrong one": rb'"\udc00\ud800"',
    "U+0000": rb'"\u0000"',
    "U+0000 in a name": rb'{"\u0000": 1}',
    "bytes that are no UTF-8": b'"\xff\xfe"',
    "what is nested deep": NESTED,
    "a long text": b'"' + b"x" * 100_000 + b'"',
}


@pytest.mark.parametrize("name", ODD)
def test_no_value_anywhere_is_too_odd_to_be_decided_on(front_door: FrontDoor, name: str) -> None:
    odd = ODD[name]
    record = {"accountId": "a", "userId": "u", "eventType": "demo_completed", "timestamp": "2026-01-01T00:00:00Z"}
    doors = {
        ("/", "application/cloudevents+json"): {**json.loads(body()), "time": None, "odd": 1, "subject": "x"},
        ("/api/v1/events", "application/json"): {**record, "metadata": {}},
        ("/api/events", "application/json"): {"type": "t", "payload": {}, "source": "s", "occurredAt": None},
    }
    for (path, content_type), good in doors.items():
        for field, value in good.items():
            whole = {**good, "id": uuid4().hex, field: {"accountId": "a", "x": "@"} if value == {} else "@"}
            sent = json.dumps(whole).encode().replace(b'"@"', odd)
            answer = front_door.http.post(path, content=sent, headers={"content-type": content_type})
            assert answer.status_code in {201, 202, 400, 422}, (path, field, answer.text)
            answer.json()
    assert "Traceback" not in front_door.part.log.read_text("utf-8")
