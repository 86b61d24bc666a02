"""The deployed Redis, ended and started again: every event that the front door accepted is there and is delivered."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from events import channel, keyspace
from events.channel import Channel
from events.entry import Done
from functions.adapters.redis.keys import RedisKeyDirectory
from functions.domain.key import RANDOM_BYTES, WRITE_EVENTS, Grant, digest, new_key
from functions.domain.plan import Terms
from tests.infra import deployed
from tests.infra.deployed import client
from tests.servers import parts, redis_server
from tests.servers.parts import until

ACCEPTED = 1_000
TENANT = "tenant"
STREAM = keyspace.stream_key("events", 0)
#: A user of the test's own: none of the deployed ones may have the append-only file rewritten.
TESTER = "tester"
BATCH = {"content-type": "application/cloudevents-batch+json"}


def admit(port: int, folder: Path) -> set[str]:
    """Have the front door accept events, all of them in the first lane."""
    key = new_key(os.urandom(RANDOM_BYTES))
    with client(port, "operator") as operator:
        directory = RedisKeyDirectory(operator)
        directory.put({digest(key): Grant(TENANT, frozenset({WRITE_EVENTS}))}, {TENANT: Terms()})
        directory.complete()
    events: list[dict[str, Any]] = [
        {"specversion": "1.0", "id": f"e{number}", "source": "/restart", "type": "demo_completed", "data": data}
        for number, data in enumerate([{"accountId": "acme"}] * ACCEPTED)
    ]
    env = {"REDIS_URL": deployed.url(port, "ingest"), "SSPP_FAIR_EVENTS_PER_SECOND": "0"}
    with parts.running(folder, env=env, names=("ingest",)) as started:
        answer = httpx.post(started["ingest"].url, json=events, headers={"x-api-key": key, **BATCH}, timeout=30)
    assert answer.status_code == 202, answer.text
    return {event["id"] for event in events}


def deliver(port: int) -> set[str]:
    """Read and settle everything that waits, as a dispatcher does."""
    found: set[str] = set()
    with closing(channel.connect(deployed.url(port, "dispatcher"))) as connection:
        waiting = Channel(connection, "events", 0, "a dispatcher")
        assert not waiting.ensure()
        while entries := waiting.read(500, 1):
            found |= {json.loads(entry.event)["id"] for entry in entries}
            assert waiting.settle([(entry, Done()) for entry in entries]) == len(entries)
        assert waiting.depth() == 0
    return found


def rewrite(port: int) -> None:
    """Have the append-only file rewritten, as Redis does by itself when it has grown."""
    with redis.Redis(port=port, username=TESTER, password="any") as tester:
        tester.bgrewriteaof()
        until(lambda: not tester.info("persistence")["aof_rewrite_in_progress"], within_s=30, what="it is rewritten")


def nothing(_: int) -> None:
    """Leave the append-only file as it was written."""


@pytest.mark.parametrize("server", redis_server.SERVERS)
@pytest.mark.parametrize(
    ("before", "stop_signal"),
    [(nothing, signal.SIGTERM), (nothing, signal.SIGKILL), (rewrite, signal.SIGKILL)],
    ids=["shut down", "killed", "killed after a rewrite"],
)
def test_all_accepted_events_survive_a_restart_and_are_delivered(
    server: str, before: Callable[[int], None], stop_signal: signal.Signals, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    deployed.prepare_redis(home)
    with (home / "run" / "users.acl").open("a", encoding="utf-8") as users:
        users.write(f"user {TESTER} on nopass ~* &* +@all\n")
    with deployed.redis(home, server, stop_signal=stop_signal) as port:
        accepted = admit(port, tmp_path)
        before(port)
    with deployed.redis(home, server) as port:
        with client(port, "exporter") as exporter:
            assert exporter.xlen(STREAM) == ACCEPTED
        assert deliver(port) == accepted
    with deployed.redis(home, server) as port, client(port, "exporter") as exporter:
        assert exporter.xlen(STREAM) == 0  # what settling wrote is loaded as well
