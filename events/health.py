"""Health as every part answers it: alive, and whether what it depends on answers; plus a small HTTP server
for parts that have none of their own.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from events.errors import Unavailable
from events.log import Log

log = Log("health")

#: Raises Unavailable, or returns what else is to be said of a dependency that answers.
Ping = Callable[[], Mapping[str, Any] | None]
#: Takes a path and the dependencies' pings; returns status, content type and body, or None for an unknown path.
Answers = Callable[[str, Mapping[str, Ping]], tuple[int, str, bytes] | None]


def service(ok: bool, seconds: float, reason: str = "") -> dict[str, Any]:
    """One dependency's line in a health report; ``responseTime`` is in ms, ``reason`` says what to change."""
    line: dict[str, Any] = {"status": "up" if ok else "down", "responseTime": round(seconds * 1000, 1)}
    return {**line, "reason": reason} if reason else line


def report(services: Mapping[str, Mapping[str, Any]]) -> tuple[int, dict[str, Any]]:
    """Put the lines together: 200 when all are up, else 503."""
    up = all(line["status"] == "up" for line in services.values())
    body = {
        "status": "ok" if up else "unavailable",
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "services": dict(services),
    }
    return (200 if up else 503), body


def check(pings: Mapping[str, Ping]) -> tuple[int, dict[str, Any]]:
    """Ping every dependency and report."""
    lines: dict[str, dict[str, Any]] = {}
    for name, ping in pings.items():
        started = time.perf_counter()
        try:
            more = ping()
        except Unavailable as exc:
            lines[name] = service(False, time.perf_counter() - started, exc.reason)
        else:
            lines[name] = {**service(True, time.perf_counter() - started), **(more or {})}
    return report(lines)


def brief(status: int) -> dict[str, Any]:
    """Return the public part of a report: up or down, and when."""
    return {
        "status": "ok" if status == 200 else "unavailable",
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }


def answer(path: str, pings: Mapping[str, Ping]) -> tuple[int, str, bytes] | None:
    """Answer the public routes, as status, content type and body; None for other paths.

    ``/live`` is 200 while the process works. ``/health`` and ``/ready`` are 503 while a dependency does not answer.
    """
    if path == "/live":
        return 200, "application/json", json.dumps(brief(200)).encode()
    if path in {"/health", "/ready"}:
        status, _ = check(pings)
        return status, "application/json", json.dumps(brief(status)).encode()
    return None


def details(path: str, pings: Mapping[str, Ping], measure: Ping | None = None) -> tuple[int, str, bytes] | None:
    """Answer the routes of the operators' port: the public ones with each dependency, and ``/metrics``.

    Args:
        measure: updates metrics before ``/metrics`` is answered; if it fails, they keep their last values.
    """
    if path in {"/health", "/ready"}:
        status, body = check(pings)
        return status, "application/json", json.dumps(body).encode()
    if path == "/metrics":
        if measure:
            with suppress(Unavailable):
                measure()
        return 200, CONTENT_TYPE_LATEST, generate_latest()
    return answer(path, pings)


@contextmanager
def served(host: str, port: int, pings: Mapping[str, Ping], answers: Answers = answer) -> Iterator[None]:
    """Answer GET requests on ``host:port`` in a thread while the block runs.

    Args:
        answers: :func:`answer` or :func:`details`.
    """
    server = _server(host, port, pings, answers)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def expose(host: str, port: int, pings: Mapping[str, Ping], measure: Ping | None = None) -> None:
    """Answer :func:`details` on ``host:port`` for as long as the process lives.

    A port that is taken costs the metrics and no event: the log says so.
    """
    try:
        server = _server(host, port, pings, partial(details, measure=measure))
    except OSError as exc:
        log.error("metrics_port_unusable", port=port, reason=exc.strerror)
        return
    threading.Thread(target=server.serve_forever, daemon=True, name="metrics").start()


def _server(host: str, port: int, pings: Mapping[str, Ping], answers: Answers) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        """Answer the paths of ``answers``; every other one with 404."""

        timeout = 5

        def do_HEAD(self) -> None:
            """Answer as to GET, without the body."""
            self.do_GET()

        def do_GET(self) -> None:
            """Answer one request."""
            status, content_type, body = answers(self.path, pings) or (404, "text/plain", b"not found\n")
            self.send_response(status)
            self.send_header("content-type", content_type)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing: probes come every second."""

    return ThreadingHTTPServer((host, port), Handler)
