"""The front door: how many events a second it makes durable, and how long one takes."""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import hiredis
import redis

from events import channel, cloudevent, keyspace
from events.content import content_hash
from events.script import script
from functions.adapters.redis import LUA, admission
from functions.adapters.redis.identities import CONTENT_BYTES, Generations, Identity, generations_key
from functions.adapters.redis.keys import RedisKeyDirectory
from functions.domain import sales
from functions.domain.key import RANDOM_BYTES, new_key
from functions.domain.signal import instant
from functions.local import valkey
from tests.bench import cores, load, servers
from tests.bench.figure import Figure
from tests.bench.load import HttpAnswers, ScriptAnswers
from tests.bench.servers import Server
from tests.servers import tenant

CONNECTIONS = 32
SCRIPT_CONNECTIONS = 50
BATCH, BATCH_CONNECTIONS = 100, 8
LATENCIES = 1500

_TENANT = "bench"
#: Stands where each request has a number of its own; of the same length.
_NUMBER = "N" * 12
#: The fair rate as ingest asks for it: us per event and burst.
_FAIR = (5_000, 2_000)
#: Room for as many identities as are sent, and the bucket of one, whose number is replaced as often as the event's.
_GENERATIONS = b"1:10000:%d" % time.time()
_BUCKET = 5_000
_numbers = count(10 ** (len(_NUMBER) - 1))


@dataclass(frozen=True)
class Door:
    """One ingest with a Valkey of its own."""

    server: Server
    redis_url: str
    key: str

    def reset(self) -> None:
        """Empty the Valkey, so that every round finds it alike."""
        _empty(self.redis_url, self.key)


def _empty(redis_url: str, key: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
        # A rewrite of its log in the background would hit some rounds and not others.
        client.config_set("auto-aof-rewrite-percentage", 0)
        client.script_load(script("admit", LUA).text)
        tenant.let_in(client, _TENANT, key)
        channel.Channel(client, "events", 0, "bench").ensure()


def measure(folder: Path, *, rounds: int, seconds: float) -> list[Figure]:
    """Measure, each round all of them in turn."""
    found: dict[str, list[float]] = defaultdict(list)
    with ExitStack() as stack:
        always = stack.enter_context(door(folder / "always", fast=False))
        everysec = stack.enter_context(door(folder / "everysec", fast=True))
        hello = stack.enter_context(servers.hello_world().running(folder / "hello.log"))
        trivial = stack.enter_context(servers.trivial().running(folder / "trivial.log"))
        http = partial(_http, found, seconds)
        for _ in range(rounds):
            for one in (always, everysec):
                one.reset()
            with cores.on(cores.LOAD):
                http("ceiling", trivial, singles(always.key))
                http("hello", hello, _gets())
                http("single", always.server, singles(always.key))
                http("everysec", everysec.server, singles(everysec.key))
                http("batch", always.server, _batches(always.key), connections=BATCH_CONNECTIONS, events=BATCH)
                _latencies(found, always)
            always.reset()
            with cores.on(cores.SERVER):  # here Valkey is the server, and it has the other core
                with redis.Redis.from_url(always.redis_url) as client:
                    client.hset(generations_key(0), "generations", _GENERATIONS)
                found["script"].append(_scripts(always.redis_url, seconds))
        if cores.KNOWN:
            found["memory"].append(cores.memory_mb(always.server.pids[-1]))
    return _figures(found)


def singles(key: str) -> Iterator[bytes]:
    """Requests of one new event each."""
    body = _event()
    first, last = (_request("application/cloudevents+json", key, len(body)) + body).split(_NUMBER.encode())
    for number in _numbers:
        yield b"%s%d%s" % (first, number, last)


def _figures(found: dict[str, list[float]]) -> list[Figure]:
    single, batch = found["single"], found["batch"]
    return [
        Figure(
            name=f"ceiling of the load, {CONNECTIONS} connections",
            values=found["ceiling"],
            unit="requests/s",
            baseline="ingest, single events",
            baselines=single,
        ),
        Figure(
            name=f"ingest, single events, {CONNECTIONS} connections",
            values=single,
            unit="events/s",
            baseline="Functions Framework CLI, hello world",
            baselines=found["hello"],
            least=1.8,
        ),
        Figure(
            name="the same",
            values=single,
            unit="events/s",
            baseline=f"admission EVALSHA, {SCRIPT_CONNECTIONS} clients",
            baselines=found["script"],
            least=0.18,
        ),
        Figure(
            name="the same, appendfsync always",
            values=single,
            unit="events/s",
            baseline="everysec",
            baselines=found["everysec"],
            least=0.8,
        ),
        Figure(
            name=f"ingest, batches of {BATCH}",
            values=batch,
            unit="events/s",
            baseline="single events",
            baselines=single,
            least=3,
        ),
        Figure(
            name="processor time of ingest, single events",
            values=found["single us"],
            unit="us/event",
            baseline="hello world",
            baselines=found["hello us"],
        ),
        Figure(
            name=f"processor time of ingest, batches of {BATCH}",
            values=found["batch us"],
            unit="us/event",
            baseline="single events",
            baselines=found["single us"],
        ),
        Figure(name="one ingest, one connection, p50", values=found["p50"], unit="ms", most=1),
        Figure(name="one ingest, one connection, p99", values=found["p99"], unit="ms", most=5),
        Figure(name="memory of the ingest worker, after the load", values=found["memory"], unit="MB", most=85),
    ]


@contextmanager
def door(folder: Path, *, fast: bool = False) -> Iterator[Door]:
    """Run an ingest on the server's core and its Valkey on the load's."""
    folder.mkdir()
    with ExitStack() as stack:
        with cores.on(cores.LOAD):
            url = stack.enter_context(valkey.running(folder, fast=fast))
        with redis.Redis.from_url(url) as client:
            RedisKeyDirectory(client).complete()  # without it ingest is not ready
        env = {
            "REDIS_URL": url,
            "SSPP_MAX_WAITING_BYTES": str(servers.UNBOUNDED),
            "SSPP_DURABILITY": "everysec" if fast else "always",
        }
        key = new_key(os.urandom(RANDOM_BYTES))
        _empty(url, key)  # without a directory of keys it would not get ready
        server = stack.enter_context(servers.function("ingest", env).running(folder / "ingest.log"))
        yield Door(server, url, key)


def _http(
    found: dict[str, list[float]],
    seconds: float,
    name: str,
    server: Server,
    requests: Iterator[bytes],
    connections: int = CONNECTIONS,
    events: int = 1,
) -> None:
    """Find ``name``, events a second, and ``name us``, the server's processor time for one."""
    pids = server.pids
    before = cores.cpu_s(pids)
    rate, answers = load.rate(
        server.address, requests, connections=connections, seconds=seconds, whole=HttpAnswers().whole
    )
    found[name].append(rate * events)
    if cores.KNOWN:
        found[f"{name} us"].append((cores.cpu_s(pids) - before) / (answers * events) * 1e6)


def _latencies(found: dict[str, list[float]], door: Door) -> None:
    taken = load.latencies_ms(door.server.address, singles(door.key), count=LATENCIES)
    found["p50"].append(taken[len(taken) // 2])
    found["p99"].append(taken[len(taken) * 99 // 100])


def _scripts(redis_url: str, seconds: float) -> float:
    """Calls a second of the admission script, as ingest makes them."""
    target = urlsplit(redis_url)
    rate, _ = load.rate(
        (target.hostname or "", target.port or 0),
        _calls(),
        connections=SCRIPT_CONNECTIONS,
        seconds=seconds,
        whole=ScriptAnswers().whole,
        greeting=hiredis.pack_command(("AUTH", target.password or "")),  # type: ignore[arg-type] # hiredis says a tuple of one,
    )
    return rate


def _calls() -> Iterator[bytes]:
    keys = [
        *(keyspace.stream_key("events", 0, lane) for lane in keyspace.LANES),
        admission.count_key(_TENANT, 0, datetime.now(UTC)),
        admission.rate_key(_TENANT, 0),
        admission.rate_key(f"{_TENANT}:key", 0),
        admission.rate_key(f"{_TENANT}:fair", 0),
        generations_key(0),
        keyspace.bytes_key(0),
        *keyspace.fair_keys("events", 0),
        *Generations(0, _GENERATIONS).buckets_of(Identity(b"", _BUCKET)),
    ]
    limits = [10**9, 7 * 86_400, -1, admission.COUNT_KEPT_S, 0, 0, 0, 0, *_FAIR, _TENANT, servers.UNBOUNDED]
    stamps = {sales.TENANT: _TENANT, sales.RECEIVED: instant(datetime.now(UTC))}
    content = content_hash(cloudevent.parse(_event()).event)[:CONTENT_BYTES]
    arguments = [*limits, _GENERATIONS, _NUMBER, content, cloudevent.stamp(_event(), **stamps)]
    sha = script("admit", LUA).sha
    words: tuple[Any, ...] = ("EVALSHA", sha, len(keys), *keys, *arguments)
    call = hiredis.pack_command(words)
    parts = [part.split(b":%d\r" % _BUCKET) for part in call.split(_NUMBER.encode())]
    for number in _numbers:
        bucket = b":%d\r" % (1000 + number % 9000)
        yield (b"%d" % number).join(bucket.join(part) for part in parts)


def _batches(key: str) -> Iterator[bytes]:
    first, last = _event().split(_NUMBER.encode())
    between = last + b"," + first
    size = BATCH * len(_event()) + BATCH + 1
    head = _request("application/cloudevents-batch+json", key, size) + b"[" + first
    while True:
        ids = [b"%d" % next(_numbers) for _ in range(BATCH)]
        yield head + between.join(ids) + last + b"]"


def _gets() -> Iterator[bytes]:
    while True:
        yield b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"


def _request(content_type: str, key: str, length: int) -> bytes:
    return (
        "POST /v1/events HTTP/1.1\r\nhost: localhost\r\n"
        f"x-api-key: {key}\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\r\n"
    ).encode()


def _event() -> bytes:
    """One event as it travels, with :data:`_NUMBER` in its id."""
    event = {
        "specversion": "1.0",
        "id": f"bench-{_NUMBER}",
        "source": "/bench/mail",
        "type": "io.sspp.email.opened",
        "time": "2026-03-04T12:00:00Z",
        "datacontenttype": "application/json",
        "data": {
            "accountId": "northwind-freight",
            "contactId": "jane.miller@northwind-freight.example",
            "userId": "maya.okafor@brightdesk.example",
            "metadata": {"subject": "Routes that plan themselves", "contactName": "Jane Miller"},
        },
    }
    return json.dumps(event, separators=(",", ":")).encode()
