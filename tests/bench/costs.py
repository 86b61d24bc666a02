"""``python -m tests.bench.costs``: what an event costs each part, in processor time and bytes.

docs/scale.md builds on it. Everything runs as `make run` starts it, one of each. Times are of the processor, which
another load changes little.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import redis

from events import keyspace
from events.settings import MigrateSettings
from functions import migrate
from functions.adapters.postgres.database import connect
from functions.domain.key import RANDOM_BYTES, new_key
from functions.local import demo_tenant, postgres, valkey
from functions.local.parts import ROOT
from tests.bench import cores, processing, servers

EVENTS = 50_000
#: Events a request.
BATCH = 100
_DEPTHS = [keyspace.stream_key("events", 0, lane) for lane in keyspace.LANES]
#: A word of a process' command line -> what it is called.
_PARTS = {
    "functions.server ingest": "ingest",
    "functions.server process": "process",
    "events events": "dispatcher-events",
    "valkey": "Redis",
    "postgres": "PostgreSQL",
}


def main() -> None:
    """Send and carry :data:`EVENTS` events, and print what that took."""
    with tempfile.TemporaryDirectory(dir=ROOT / ".cache") as folder, _platform(Path(folder)) as platform:
        for name, figures in measure(platform).items():
            sys.stdout.write(f"{name}: " + ", ".join(f"{key} {value:,.1f}" for key, value in figures.items()) + "\n")


def measure(platform: Platform) -> dict[str, dict[str, float]]:
    """Stage -> figure -> its value for one event: processor time in us, or bytes."""
    found = {}
    for stage, step in (("single requests", platform.send_singly), ("batches", platform.send)):
        platform.drained()
        before = platform.state()
        step()
        found[stage] = _each(before, platform.state(), EVENTS // 10 if stage == "single requests" else EVENTS)
    before = platform.state()
    platform.carry()
    found["carried and indexed"] = _each(before, platform.state(), EVENTS)
    return found


def _each(before: Counter[str], after: Counter[str], events: int) -> dict[str, float]:
    return {name: (after[name] - before[name]) / events for name in after if after[name] != before[name]}


class Platform:
    """All parts, and what they have used."""

    def __init__(self, urls: tuple[str, str], key: str, stack: ExitStack, folder: Path) -> None:
        self._database_url, self._redis_url = urls
        self._stack, self._folder, self._key = stack, folder, key
        self._client: Any = stack.enter_context(redis.Redis.from_url(self._redis_url))
        self._client.config_set("auto-aof-rewrite-percentage", 0)  # so that its log says what was written
        self._database = stack.enter_context(closing(connect(self._database_url)))
        self._ingest = self._run("ingest", {"REDIS_URL": self._redis_url, "SSPP_FAIR_EVENTS_PER_SECOND": "0"})

    def send_singly(self) -> None:
        """An event a request."""
        self._post(EVENTS // 10, 1)

    def send(self) -> None:
        """As many as there are, :data:`BATCH` a request."""
        self._post(EVENTS, BATCH)

    def _post(self, events: int, each: int) -> None:
        bodies = [b"[" + b",".join(processing.sent(each)) + b"]" for _ in range(events // each)]
        headers = {"x-api-key": self._key, "content-type": "application/cloudevents-batch+json"}
        with httpx.Client(base_url=self._ingest.url, headers=headers, timeout=60) as client:
            for body in bodies:
                client.post("/v1/events", content=body).raise_for_status()

    def carry(self) -> None:
        """Start what carries, and wait until everything is processed."""
        target = self._run("process", {"DATABASE_URL": self._database_url})
        command = servers.dispatcher("events", target, {"REDIS_URL": self._redis_url})
        self._stack.enter_context(command.running(self._folder / "events.log"))
        while sum(map(self._client.xlen, _DEPTHS)):
            time.sleep(0.2)

    def drained(self) -> None:
        """Forget what waits."""
        self._client.delete(*_DEPTHS, keyspace.bytes_key(0))

    def state(self) -> Counter[str]:
        """What was used until now: us of processor by part, bytes by store."""
        used: Counter[str] = Counter({"us by the clock": round(time.perf_counter() * 1e6)})
        for pid in cores.family(os.getpid()):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            part = next((name for word, name in _PARTS.items() if word in words), "")
            used[f"us {part}"] += round(cores.cpu_s([pid]) * 1e6) if part else 0
        used["B of Redis"] = self._client.info("memory")["used_memory"]
        log = self._client.info("persistence")
        used["B of its log"] = log["aof_current_size"]
        [[wal, size]] = self._database.run(
            "SELECT pg_current_wal_lsn() - '0/0'::pg_lsn, pg_database_size(current_database())"
        )
        used["B of WAL"], used["B of PostgreSQL"] = int(wal), int(size)
        return used

    def _run(self, name: str, env: dict[str, str]) -> servers.Server:
        return self._stack.enter_context(servers.function(name, env).running(self._folder / f"{name}.log"))


@contextmanager
def _platform(folder: Path) -> Iterator[Platform]:
    key = new_key(os.urandom(RANDOM_BYTES))
    with ExitStack() as stack:
        urls = stack.enter_context(postgres.running(folder)), stack.enter_context(valkey.running(folder))
        migrate.run(MigrateSettings.read({"DATABASE_URL": urls[0], "REDIS_URL": urls[1]}))
        demo_tenant.ensure_demo(database_url=urls[0], redis_url=urls[1], api_key=key)
        yield Platform(urls, key, stack, folder)


if __name__ == "__main__":
    main()
