"""``python -m functions.tick`` against a server that answers as a function does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from functions.local import ports

ROOT = Path(__file__).parents[2]
TAKEN = json.dumps({"results": [{"status": 200}]})


@dataclass
class Answering:
    """What it says, and what it was asked."""

    url: str = ""
    requests: list[tuple[dict[str, str], list[dict[str, Any]]]] = field(default_factory=list)


@contextmanager
def answering(status: int, body: str) -> Iterator[Answering]:
    seen = Answering()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            events = json.loads(self.rfile.read(int(self.headers["content-length"])))
            seen.requests.append(({name.lower(): value for name, value in self.headers.items()}, events))
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        seen.url = f"http://127.0.0.1:{server.server_port}/"
        yield seen
        server.shutdown()
        thread.join()


def run(url: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], "SSPP_TARGET_URL": url, "SSPP_DELIVERY_TOKEN": "t0ken"}
    argv = [sys.executable, "-m", "functions.tick"]
    return subprocess.run(argv, env=env, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_a_tick_is_delivered_as_a_batch_of_one_with_the_dispatchers_credential():
    with answering(200, TAKEN) as server:
        done = run(server.url)
    assert done.returncode == 0, done.stderr
    [(headers, [event])] = server.requests
    assert headers["content-type"] == "application/cloudevents-batch+json"
    assert headers["authorization"] == "Bearer t0ken"
    assert event["type"] == "io.sspp.tick"
    assert event["time"][14:] in {"00:00Z", "15:00Z", "30:00Z", "45:00Z"}


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (503, "", "tick: target is unavailable"),
        (504, "activator request timeout", "tick: target is unavailable"),
        (200, "hello", "tick: target is unavailable"),
        (200, json.dumps({"results": [{"status": 500}]}), "tick: target is unavailable"),
        (401, "only the dispatcher may deliver", "tick: the target answers 401: only the dispatcher may deliver"),
        (200, json.dumps({"results": [{"status": 422, "detail": "no"}]}), "tick: the target answers 422: no"),
    ],
)
def test_a_tick_nobody_took_fails_the_job_with_a_sentence(status, body, says):
    with answering(status, body) as server:
        done = run(server.url)
    assert (done.returncode, done.stderr.strip()) == (1, says)
    assert "t0ken" not in done.stderr


def test_a_target_that_is_away_fails_the_job_with_a_sentence():
    done = run(f"http://127.0.0.1:{ports.free(1)[0]}/")
    assert (done.returncode, done.stderr.strip()) == (1, "tick: target is unavailable")


def test_settings_that_are_missing_are_named():
    done = run("")
    assert (done.returncode, done.stderr.strip()) == (1, "tick: SSPP_TARGET_URL is required")
