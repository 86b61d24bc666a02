"""Health as every part answers it: alive, and whether what it depends on answers; plus a small HTTP server
for parts that have none of their own.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from events.errors import Unavailable

Ping = Callable[[], None]


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
            ping()
        except Unavailable as exc:
            lines[name] = service(False, time.perf_counter() - started, exc.reason)
        else:
            lines[name] = service(True, time.perf_counter() - started)
    return report(lines)


def answer(path: str, pings: Mapping[str, Ping]) -> tuple[int, str, bytes] | None:
    """Answer ``/health``, ``/ready`` and ``/metrics`` as status, content type and body; None for other paths."""
    if path in {"/health", "/ready"}:
        status, body = check(pings)
        return status, "application/json", json.dumps(body).encode()
    if path == "/metrics":
        return 200, CONTENT_TYPE_LATEST, generate_latest()
    return None


@contextmanager
def served(host: str, port: int, pings: Mapping[str, Ping]) -> Iterator[None]:
    """Answer health requests on ``host:port`` in a thread while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        """Three paths, everything else 404."""

        timeout = 5

        def do_HEAD(self) -> None:
            """Answer as to GET, without the body."""
            self.do_GET()

        def do_GET(self) -> None:
            """Answer one of the three."""
            status, content_type, body = answer(self.path, pings) or (404, "text/plain", b"not found\n")
            self.send_response(status)
            self.send_header("content-type", content_type)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing: probes come every second."""

    server = ThreadingHTTPServer((host, port), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
