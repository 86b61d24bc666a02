"""Fairness: how long a tenant's events take beside one that sends a hundred times as much, or has a slow rule."""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import redis

from events import keyspace
from events.settings import MigrateSettings
from functions import migrate
from functions.local import postgres, valkey
from tests.bench import cores, servers
from tests.bench.figure import Figure
from tests.servers import tenant
from tests.servers.worst import HEAVY, SLOWEST_RULE

#: Events a second of all the others, and how much more the noisy tenant sends.
OTHERS, TIMES = 5, 100
#: Events in one request of the noisy tenant.
BATCH = 100

#: Neighbour -> what its condition is, the seconds between its requests, the events of one, and how it is called.
NEIGHBOURS: Mapping[str, tuple[str, float, int, dict[str, Any], str]] = {
    "noisy": ("false", BATCH / (OTHERS * TIMES), BATCH, {}, f"a tenant that sends {TIMES} times as much"),
    "slow": (SLOWEST_RULE, 1.0, 1, HEAVY, "the slowest rule that may be saved, on a megabyte a second"),
}

_SIGNALS = [keyspace.stream_key("signals", 0, lane) for lane in keyspace.LANES]
_LONGEST_S = 60.0


def measure(folder: Path, *, rounds: int, seconds: float) -> list[Figure]:
    """Measure, each round a quiet time and one beside each neighbour, ten times ``seconds`` long each."""
    took: dict[str, list[float]] = defaultdict(list)
    with ExitStack() as stack:
        with cores.on(cores.LOAD):
            database_url = stack.enter_context(postgres.running(folder))
            redis_url = stack.enter_context(valkey.running(folder))
        unbounded = {"SSPP_MAX_WAITING_BYTES": str(servers.UNBOUNDED)}  # signals are deleted, their bytes stay counted
        # What is committed is measured by its announcement, which is made for a copy in Elasticsearch.
        env = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "SSPP_SEARCH": "elasticsearch", **unbounded}
        migrate.run(MigrateSettings.read(env))
        urls = {"database_url": database_url, "redis_url": redis_url}
        other = tenant.make("other", **urls)
        keys = {
            name: tenant.make(name, tenant.rule(name, when, "a@noisy.example"), **urls)
            for name, (when, *_) in NEIGHBOURS.items()
        }
        ingest = stack.enter_context(servers.function("ingest", env).running(folder / "ingest.log"))
        process = stack.enter_context(servers.function("process", env).running(folder / "process.log"))
        stack.enter_context(servers.dispatcher("events", process, env).running(folder / "dispatcher.log"))
        client = stack.enter_context(redis.Redis.from_url(redis_url))
        for _ in range(rounds):
            took[""].append(_p99_ms(ingest.url, other, client, seconds * 10))
            for name, key in keys.items():
                with _beside(name, ingest.url, key):
                    took[name].append(_p99_ms(ingest.url, other, client, seconds * 10))
    return [
        Figure(
            name=f"event to committed signal, p99, beside {called}",
            values=took[name],
            unit="ms",
            baseline="the same without it",
            baselines=took[""],
            most=2,
        )
        for name, (*_, called) in NEIGHBOURS.items()
    ]


@contextmanager
def _beside(name: str, url: str, key: str) -> Iterator[None]:
    """Have a neighbour send for the length of the block."""
    stopping = threading.Event()
    sending = threading.Thread(target=_send_noise, args=[name, url, key, stopping])
    sending.start()
    try:
        yield
    finally:
        stopping.set()
        sending.join()


def _p99_ms(url: str, key: str, client: Any, seconds: float) -> float:
    """The p99 of a tenant from the sending of an event to its signal in the next channel, in ms."""
    client.delete(*_SIGNALS)
    sent_ms = dict(_send(url, key, seconds))
    deadline = time.monotonic() + _LONGEST_S
    while len(taken := _taken(client, sent_ms)) < len(sent_ms):
        if time.monotonic() > deadline:
            raise RuntimeError("process does not take the events; its log says why")
        time.sleep(0.1)
    return sorted(taken)[len(taken) * 99 // 100]


def _send(url: str, key: str, seconds: float) -> Iterator[tuple[str, float]]:
    """Send at an even pace; give each event's id and when it was sent, in Unix ms."""
    with httpx.Client(base_url=url, headers=_headers(key, "application/cloudevents+json")) as http:
        for number in range(max(1, int(seconds * OTHERS))):
            started = time.time()
            answer = http.post("/v1/events", content=json.dumps(_event(f"other-{number % 7}")))
            yield answer.raise_for_status().json()["id"], started * 1000
            time.sleep(max(0.0, started + 1 / OTHERS - time.time()))


def _send_noise(name: str, url: str, key: str, stopping: threading.Event) -> None:
    """Send a neighbour's batches at an even pace until told to stop."""
    _, pause_s, events, metadata, _ = NEIGHBOURS[name]
    with httpx.Client(base_url=url, headers=_headers(key, "application/cloudevents-batch+json")) as http:
        while not stopping.wait(pause_s):
            batch = json.dumps([_event(name, **metadata) for _ in range(events)])
            http.post("/v1/events", content=batch).raise_for_status()


def _taken(client: Any, sent_ms: dict[str, float]) -> list[float]:
    """Milliseconds to the signal of each event that has one: a stream's ids begin with Redis' clock."""
    found = {}
    for stream in _SIGNALS:
        for id_, fields in client.xrange(stream):
            signal = json.loads(fields[b"event"])["id"]
            if signal in sent_ms:
                found[signal] = int(id_.partition(b"-")[0]) - sent_ms[signal]
    return list(found.values())


def _headers(key: str, content_type: str) -> dict[str, str]:
    return {"x-api-key": key, "content-type": content_type}


def _event(account: str, **metadata: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": uuid4().hex,
        "source": "/bench",
        "type": "io.sspp.email.opened",
        "data": {"accountId": account, "metadata": {"subject": "Routes that plan themselves", **metadata}},
    }
