"""The front door as the Functions Framework's own command line serves it."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from functions.local import ports
from functions.web.asgi import BODY_TIMEOUT_S
from tests.e2e.conftest import event
from tests.servers import frontdoor
from tests.servers import raw as http
from tests.servers.parts import ROOT, Part, until


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Where the command line serves ingest, and a key for it."""
    folder, port = tmp_path_factory.mktemp("framework"), ports.free(1)[0]
    with frontdoor.running(folder) as known:
        program = str(Path(sys.executable).parent / "functions-framework")
        target = ["--target", "ingest", "--source", str(ROOT / "functions/ingest/main.py"), "--asgi"]
        argv = [program, *target, "--host", "127.0.0.1", "--port", str(port)]
        env = {**os.environ, "REDIS_URL": known.redis_url}
        part = Part("framework", argv, env, port, folder / "framework.log")
        part.start()
        try:
            until(part.ready, within_s=30, what="it serves")
            yield part.url, known.key
        finally:
            part.kill()


@pytest.mark.slow
def test_a_sender_that_is_silent_after_its_head_is_cut_off_there_too(served: tuple[str, str]) -> None:
    url, key = served
    body = json.dumps(event()).encode()
    reply = http.asked(url, http.request(body, key=key))
    assert reply is not None
    assert reply.status == 202
    whole = http.request(body, key=key)
    with http.connected(url, timeout_s=BODY_TIMEOUT_S + 20) as silent, http.connected(url, timeout_s=60) as dripping:
        started = time.monotonic()
        silent.sendall(whole[: -len(body)])
        dripping.sendall(whole[: 1 - len(body)])
        for raw in (silent, dripping):
            late = http.reply(raw)
            assert late is not None
            assert (late.status, late.headers.get("connection")) == (408, "close")
            assert BODY_TIMEOUT_S - 1 < time.monotonic() - started < BODY_TIMEOUT_S + 10
