"""Delivery: how soon an accepted event reaches a warm function, and what a second dispatcher adds."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import redis

from events import keyspace
from functions.local import valkey
from tests.bench import cores, servers
from tests.bench.figure import Figure
from tests.bench.frontdoor import Door, door, singles
from tests.bench.servers import Server

#: Events whose way is timed, one after the other, each while nothing else is under way.
FIRST = 100
#: A backlog, and the time the function that takes it needs for a request: the backlog's time is the function's.
BACKLOG, WORK_S = 100_000, 0.1

_STREAM = keyspace.stream_key("events", 0)
_LONGEST_S = 120.0


@dataclass
class Function:
    """A function in this process: it takes everything, and knows when."""

    work_s: float = 0.0
    came: threading.Event = field(default_factory=threading.Event)
    open: threading.Event = field(default_factory=threading.Event)
    server: Server = field(init=False)

    def take(self) -> None:
        """Take a request, once the function is open."""
        self.came.set()
        self.open.wait()
        time.sleep(self.work_s)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Any

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.server.function.take()
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


def measure(folder: Path, *, rounds: int, backlog: int = BACKLOG) -> list[Figure]:
    """Measure, each round all of them in turn."""
    waits_ms: list[float] = []
    drains: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(rounds):
        waits_ms += _first_deliveries(folder)
        for dispatchers, rates in drains.items():
            rates.append(_drain(folder, dispatchers, backlog))
    p95 = sorted(waits_ms)[len(waits_ms) * 95 // 100]
    return [
        Figure(name="first delivery after the 202, warm, p95", values=[p95], unit="ms", most=50),
        Figure(
            name=f"backlog of {backlog:,}, a function of {WORK_S * 1000:g} ms, two dispatchers",
            values=drains[2],
            unit="events/s",
            baseline="one dispatcher",
            baselines=drains[1],
            least=1.6,
        ),
    ]


def _first_deliveries(folder: Path) -> list[float]:
    """Milliseconds from an event's 202 to its delivery; 0 where it was there before its sender knew."""
    waits_ms = []
    with ExitStack() as stack:
        found = stack.enter_context(_anew(folder, "door", door))
        function = stack.enter_context(_function())
        function.open.set()
        stack.enter_context(_dispatcher(folder, function, found.redis_url))
        client = stack.enter_context(httpx.Client(base_url=found.server.url, headers=_headers(found)))
        for request in _bodies(found, FIRST):
            function.came.clear()
            client.post("/v1/events", content=request).raise_for_status()
            answered = time.perf_counter()
            if not function.came.wait(10):
                raise RuntimeError("an accepted event was not delivered")
            waits_ms.append((time.perf_counter() - answered) * 1000)
    return waits_ms


def _drain(folder: Path, dispatchers: int, backlog: int) -> float:
    """Events a second that so many dispatchers work off."""
    with ExitStack() as stack:
        with cores.on(cores.LOAD):
            url = stack.enter_context(_anew(folder, "valkey", _valkey))
        function = stack.enter_context(_function(WORK_S))
        client = stack.enter_context(redis.Redis.from_url(url))
        event = b'{"specversion":"1.0","id":"1","source":"/bench","type":"io.sspp.email.opened","sspptenant":"bench"}'
        pipeline = client.pipeline(transaction=False)
        for _ in range(backlog):
            pipeline.xadd(_STREAM, {"event": event})
        pipeline.execute()
        for _ in range(dispatchers):
            stack.enter_context(_dispatcher(folder, function, url))
        # Whoever starts first must not work the backlog off before the clock runs.
        function.open.set()
        started = time.perf_counter()
        while client.xlen(_STREAM):
            if time.perf_counter() - started > _LONGEST_S:
                raise RuntimeError("the backlog is not worked off")
            time.sleep(0.01)
        return backlog / (time.perf_counter() - started)


def _headers(found: Door) -> dict[str, str]:
    return {"x-api-key": found.key, "content-type": "application/cloudevents+json"}


def _bodies(found: Door, number: int) -> Iterator[bytes]:
    found.reset()
    requests = singles(found.key)
    for _ in range(number):
        yield next(requests).partition(b"\r\n\r\n")[2]


@contextmanager
def _anew(folder: Path, name: str, start: Any) -> Iterator[Any]:
    """Start something in a folder of its own."""
    own = folder / f"{name}-{len(list(folder.iterdir()))}"
    with start(own) as started:
        yield started


@contextmanager
def _valkey(folder: Path) -> Iterator[str]:
    folder.mkdir()
    with valkey.running(folder) as url:
        yield url


@contextmanager
def _dispatcher(folder: Path, function: Function, redis_url: str) -> Iterator[Server]:
    with (
        servers.dispatcher("events", function.server, {"REDIS_URL": redis_url}).running(
            folder / f"dispatcher-{len(list(folder.iterdir()))}.log"
        ) as dispatcher,
    ):
        yield dispatcher


@contextmanager
def _function(work_s: float = 0.0) -> Iterator[Function]:
    function = Function(work_s)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.function = function  # type: ignore[attr-defined] # the handler's way to it
        server.daemon_threads = True
        function.server = Server(("127.0.0.1", server.server_port), 0)
        threading.Thread(target=server.serve_forever, args=[0.01]).start()
        try:
            yield function
        finally:
            function.open.set()
            server.shutdown()
