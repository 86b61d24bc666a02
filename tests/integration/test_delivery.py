"""Deliveries to a real HTTP server: what each kind of answer, and none, is taken for."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, BinaryIO

import pytest

from events.delivery import ANSWER_BYTES, DETAIL_CHARACTERS, RETRY_AFTER_MAX_S, Delivered, Target
from events.errors import Unavailable
from events.retry import NO_ANSWER, Verdict

EVENTS = [b'{"id":"1"}', b'{"id":"2"}']


@dataclass
class Function:
    """A function that answers as it is told and keeps what it was asked."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    hangs_up: bool = False
    late: threading.Event | None = None
    raw: Callable[[BinaryIO], None] | None = None
    asked: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    connections: set[Any] = field(default_factory=set)


class Handler(BaseHTTPRequestHandler):
    """Serves the function its server has."""

    protocol_version = "HTTP/1.1"
    server: Any

    def do_POST(self) -> None:
        function = self.server.function
        body = self.rfile.read(int(self.headers["content-length"]))
        function.asked.append(({name.lower(): value for name, value in self.headers.items()}, body))
        function.connections.add(self.client_address)
        if function.late:
            function.late.wait(10)
        if function.hangs_up or function.late:
            self.close_connection = True
            return
        if function.raw:
            self.close_connection = True
            with suppress(OSError):
                function.raw(self.wfile)
            return
        self.send_response(function.status)
        for name, value in {"content-length": str(len(function.body)), **function.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        with suppress(OSError):  # whoever asked may have read enough
            self.wfile.write(function.body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def function() -> Iterator[Function]:
    function = Function()
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.function = function  # type: ignore[attr-defined] # the handler's way to it
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=[0.01]).start()
        function.url = f"http://127.0.0.1:{server.server_port}/"  # type: ignore[attr-defined] # known only now
        yield function
        server.shutdown()


@pytest.fixture
def target(function) -> Target:
    return Target(function.url, token="t0ken", timeout_s=5)


def results(*each: dict[str, Any]) -> bytes:
    return json.dumps({"results": each}).encode()


def test_a_batch_is_posted_as_knative_and_cloudevents_want_it(function, target):
    function.body = results({"status": 200}, {"status": 200})
    target.deliver(EVENTS)
    ((headers, body),) = function.asked
    assert json.loads(body) == [{"id": "1"}, {"id": "2"}]
    assert headers["content-type"].startswith("application/cloudevents-batch+json")
    assert (headers["prefer"], headers["authorization"]) == ("reply", "Bearer t0ken")


def test_deliveries_share_a_connection(function, target):
    function.body = results({"status": 200}, {"status": 200})
    for _ in range(5):
        target.deliver(EVENTS)
    assert (len(function.asked), len(function.connections)) == (5, 1)


def test_each_event_gets_its_own_verdict(function, target):
    function.body = results({"status": 200}, {"status": 429, "detail": "slowly", "retry_after_s": 7})
    answer = target.deliver(EVENTS)
    assert not isinstance(answer, Verdict)
    assert [one.verdict for one in answer] == [Verdict(200), Verdict(429, "slowly", 7)]


@pytest.mark.parametrize("status", [200, 202, 204])
def test_a_function_that_takes_the_request_and_says_no_more_has_taken_every_event(function, target, status):
    function.status = status
    assert target.deliver(EVENTS) == [Delivered(Verdict(status))] * 2


@pytest.mark.parametrize("body", [b"OK", b"{}", b'{"results":[]}', results({"status": 200}), b'{"results":[{},{}]}'])
def test_an_answer_that_does_not_say_what_came_of_each_is_none(function, target, body):
    function.body = body
    verdict = target.deliver(EVENTS)
    assert isinstance(verdict, Verdict)
    assert verdict.status == NO_ANSWER


@pytest.mark.parametrize("status", [301, 400, 408, 409, 413, 500, 502, 504])
def test_a_refusal_of_the_whole_request_is_one_verdict(function, target, status):
    function.status, function.body = status, b"because"
    assert target.deliver(EVENTS) == Verdict(status, "because")


def test_as_much_of_a_refusal_is_kept_as_a_dead_letter_shows(function, target):
    function.status, function.body = 500, ("\u00fc" * 2000).encode()
    verdict = target.deliver(EVENTS)
    assert isinstance(verdict, Verdict)
    assert verdict.detail == "\u00fc" * (DETAIL_CHARACTERS // 2)


@pytest.mark.parametrize("status", [401, 403, 404, 429, 503])
def test_what_is_about_no_event_costs_none_an_attempt(function, target, status):
    function.status, function.headers = status, {"retry-after": "4"}
    with pytest.raises(Unavailable, match=str(status)) as caught:
        target.deliver(EVENTS)
    assert caught.value.retry_after_s == 4


def in_s(seconds: int) -> Callable[[], str]:
    """The date in so many seconds, counted from when the test runs."""
    return lambda: format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        ("7", 7, 7),
        (in_s(3000), 2000, 3000),
        (in_s(-60), 0, 0),
        ("soon", 0, 0),
        ("-1", 0, 0),
        ("1e9", 0, 0),
        ("9" * 400, RETRY_AFTER_MAX_S, RETRY_AFTER_MAX_S),
        ("9" * 5000, RETRY_AFTER_MAX_S, RETRY_AFTER_MAX_S),
        (in_s(9 * 86_400), RETRY_AFTER_MAX_S, RETRY_AFTER_MAX_S),
        ("Mon, 01 Jan 2024 00:00:00 +" + "9" * 30, 0, 0),
        ("Fri, 31 Dec 9999 23:59:59 -2359", 0, RETRY_AFTER_MAX_S),
        ("Mon, 99999999999999999999 Jan 2024 00:00:00 GMT", 0, 0),
    ],
    ids=lambda value: value.__qualname__ if callable(value) else str(value)[:40],
)
@pytest.mark.parametrize("status", [500, 503])
def test_retry_after_is_seconds_or_a_date_within_reason(function, target, status, header, least, most):
    function.status, function.headers = status, {"retry-after": header if isinstance(header, str) else header()}
    try:
        verdict = target.deliver(EVENTS)
    except Unavailable as exc:
        asked_s: float = exc.retry_after_s
    else:
        assert isinstance(verdict, Verdict)
        asked_s = verdict.retry_after_s
    assert least <= asked_s <= most


def test_a_connection_that_breaks_is_no_answer(function, target):
    function.hangs_up = True
    verdict = target.deliver(EVENTS)
    assert isinstance(verdict, Verdict)
    assert verdict.status == NO_ANSWER


def test_an_answer_that_takes_too_long_is_none(function):
    function.late = threading.Event()
    verdict = Target(function.url, token="t", timeout_s=0.2).deliver(EVENTS)
    function.late.set()
    assert isinstance(verdict, Verdict)
    assert (verdict.status, verdict.detail) == (NO_ANSWER, "ReadTimeoutError")


def dribbled(piece: bytes) -> Callable[[BinaryIO], None]:
    """An answer that never ends, a piece every 20 ms; no single wait is long."""

    def write(to: BinaryIO) -> None:
        for _ in range(500):
            to.write(piece)
            time.sleep(0.02)

    return write


def answered(head: bytes, rest: Callable[[BinaryIO], None]) -> Callable[[BinaryIO], None]:
    def write(to: BinaryIO) -> None:
        to.write(head)
        rest(to)

    return write


@pytest.mark.alone
@pytest.mark.parametrize(
    "raw",
    [
        dribbled(b"HTTP/1.1 100 Continue\r\n\r\n"),
        dribbled(b"H"),
        answered(b"HTTP/1.1 200 OK\r\n", dribbled(b"x")),
        answered(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n", dribbled(b"{")),
        answered(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", dribbled(b"1\r\n{\r\n")),
        answered(b"HTTP/1.1 200 OK\r\n\r\n", dribbled(b"{")),
    ],
    ids=["100 Continue", "status", "header", "body", "chunks", "body without end"],
)
def test_an_answer_that_dribbles_takes_no_longer_than_any_other(function, raw):
    function.raw = raw
    began_s = time.monotonic()
    verdict = Target(function.url, token="t", timeout_s=0.4).deliver(EVENTS)
    assert time.monotonic() - began_s < 6  # each of them goes on for 10
    assert isinstance(verdict, Verdict)
    assert (verdict.status, verdict.detail) == (NO_ANSWER, "ReadTimeoutError")


@pytest.mark.alone
def test_time_that_passed_before_does_not_shorten_a_delivery_on_the_same_connection(function):
    function.body = results({"status": 200}, {"status": 200})
    target = Target(function.url, token="t", timeout_s=1)
    deadline_s = time.monotonic() + 1.5
    while time.monotonic() < deadline_s:
        assert target.deliver(EVENTS) == [Delivered(Verdict(200), [])] * 2
    assert len(function.connections) == 1


@pytest.mark.parametrize("status", [200, 500])
def test_no_more_of_an_answer_is_read_than_is_ever_looked_at(function, target, status):
    function.status, function.body = status, b" " * (3 * ANSWER_BYTES)
    verdict = target.deliver(EVENTS)
    assert isinstance(verdict, Verdict)
    assert (verdict.status, len(verdict.detail) <= DETAIL_CHARACTERS) == (0 if status == 200 else 500, True)
    function.status, function.body = 204, b""
    assert target.deliver(EVENTS) == [Delivered(Verdict(204))] * 2


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 28\r\n\r\n",
        b'HTTP/1.1 200 OK\r\ncontent-length: 28\r\n\r\n{"results":[',
    ],
    ids=["no length", "chunked", "length", "half"],
)
def test_an_answer_that_was_cut_off_is_none(function, target, raw):
    function.raw = lambda to: to.write(raw)
    verdict = target.deliver(EVENTS)
    assert isinstance(verdict, Verdict)
    assert verdict.status == NO_ANSWER


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("http://user:secret@127.0.0.1:9/", "127.0.0.1:9 (Connection refused)"),
        ("http://process.NAMESPACE.invalid/", "process.NAMESPACE.invalid ("),
    ],
)
def test_a_target_that_nobody_answers_at_is_away_and_the_log_can_say_where_and_why(url, says):
    with pytest.raises(Unavailable) as caught:
        Target(url, token="t", timeout_s=1).deliver(EVENTS)
    assert caught.value.what.startswith(says)
    assert not caught.value.what.endswith("(NameResolutionError)")
