"""The stage of the fault suite: stores that can be killed, the real parts as processes, and what is between them."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pg8000.native
import redis

from events import keyspace
from events.settings import MigrateSettings
from events.subscription import SUBSCRIPTIONS
from functions import migrate
from functions.adapters.postgres.database import connect
from functions.local import ports, postgres, process, valkey
from functions.local.demo_tenant import DEMO_RULE_DEFINITION
from tests.servers import parts, proxy, searching, smtp, tenant
from tests.servers.parts import TOKEN, Part, until
from tests.servers.proxy import Proxies, Weather
from tests.servers.searching import Searching
from tests.servers.smtp import Mailbox

NAMES = ("ingest", "process", "index", "notify", *SUBSCRIPTIONS)
#: In the order the settings demand, short enough to wait for. Retries outlast what a kill and a restart take.
TIMES = {
    "SSPP_FUNCTION_TIMEOUT_SECONDS": "3",
    "SSPP_DELIVERY_TIMEOUT_SECONDS": "4",
    "SSPP_CLAIM_IDLE_SECONDS": "5",
    "SSPP_RETRY_SCHEDULE": "0.5,1,1,2,2,2",
    "SSPP_MAIL_RETRY_SCHEDULE": "1" + ",2" * 15,
}
#: Where Valkey keeps its data, so that a full disk can be made: MB.
DISK_MB = 1024


@dataclass
class Store:
    """A server of ours that can be killed and started again on its data."""

    argv: Sequence[str]
    answers: Callable[[], bool]
    log: Path
    crash: signal.Signals = signal.SIGKILL
    stop_signal: signal.Signals = signal.SIGTERM
    prepare: Callable[[], None] = lambda: None
    _up: Any = None
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.prepare()
        self._up = process.running(self.argv, answers=self.answers, stop_signal=self.stop_signal, log=self.log)
        self._process = self._up.__enter__()

    def kill(self) -> None:
        """End it as a crash does: nothing is written that is not written."""
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(self.crash)
        self._process.wait(30)

    def ended(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def start_again(self) -> None:
        """Start it after it was killed, or ended by itself."""
        self.stop()
        self.start()

    def stop(self) -> None:
        if self._up is not None:
            up, self._up = self._up, None
            up.__exit__(None, None, None)


@dataclass
class Stage:
    """Everything that runs. Faults are made of its methods.

    Args:
        redis_url, database_url: of the stores themselves, around every proxy.
        weather: by name of what is behind the proxy; empty where nothing is between the parts.
        searching: the search server, which has a copy of the signals.
        disk: where Valkey's data is, None where no disk of its own could be mounted.
        clock: looks every second whether Redis lost its data.
    """

    folder: Path
    redis: Store
    postgres: Store
    redis_url: str
    database_url: str
    mailbox: Mailbox
    parts: dict[str, Part]
    weather: dict[str, Weather]
    searching: Searching
    disk: Path | None
    ingest_url: str
    clock: Part
    spares: list[Part] = field(default_factory=list)

    def tenants(self, names: Sequence[str]) -> dict[str, str]:
        """Set tenants up, with a rule each; tenant -> key."""
        urls = {"database_url": self.database_url, "redis_url": self.redis_url}
        return {name: tenant.make(name, DEMO_RULE_DEFINITION, **urls) for name in names}

    def restart(self, *names: str) -> None:
        """Kill parts and start them again; wait until they are ready."""
        for name in names:
            self.arm(name, "")
        self.ready(*names)

    def arm(self, name: str, failpoint: str) -> None:
        """Kill a part and start it again with a failpoint, or none; do not wait for it."""
        part = self.parts[name]
        part.kill()
        part.log.write_bytes(b"")  # what killed() looks at
        part.env = {**part.env, "SSPP_FAILPOINTS": failpoint}
        part.start()

    def ready(self, *names: str) -> None:
        """Wait until parts, all when none is named, answer."""
        for part in [self.parts[name] for name in names or self.parts]:
            until(part.ready, within_s=60, what=f"{part.name} is ready")

    def start_ended(self) -> list[str]:
        """Start every part again that has ended, as whatever runs it does; a sentence for each."""
        ended = []
        for part in self.parts.values():
            if part.process is not None and part.process.poll() is not None:
                ended.append(f"{part.name} {process.end_of(part.process.returncode)}")
                part.kill()
                part.start()
        return ended

    def spare(self, name: str) -> Part:
        """Start one more of a part."""
        port = ports.free(1)[0]
        own = self.parts[name]
        log = self.folder / f"{name}-{len(self.spares)}.log"
        extra = replace(
            own,
            env={**own.env, "PORT": str(port), "SSPP_METRICS_PORT": str(ports.free(1)[0])},
            port=port,
            log=log,
            process=None,
        )
        self.spares.append(extra)
        extra.start()
        until(extra.ready, within_s=60, what=f"another {name} is ready")
        return extra

    def end_spares(self) -> None:
        """Ask the additional parts to stop."""
        while self.spares:
            code = self.spares.pop().stop()
            assert code == 0, f"a spare part ended with {code}"

    def freeze(self, name: str) -> None:
        """Stop a part's clock: it neither works nor dies."""
        self._signal(name, signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        self._signal(name, signal.SIGCONT)

    def _signal(self, name: str, number: signal.Signals) -> None:
        running = self.parts[name].process
        assert running is not None
        os.killpg(running.pid, number)

    @contextmanager
    def client(self) -> Iterator[Any]:
        with redis.Redis.from_url(self.redis_url) as client:
            yield client

    @contextmanager
    def sql(self) -> Iterator[pg8000.native.Connection]:
        with closing(connect(self.database_url)) as connection:
            yield connection

    def redis_emptied(self) -> None:
        """Start Redis again, which was killed, with nothing of what it had."""
        for each in (self.folder / "valkey").iterdir():
            shutil.rmtree(each) if each.is_dir() else each.unlink()
        self.redis.start_again()

    def recorded(self, names: Sequence[str]) -> set[tuple[str, str]]:
        """The events of tenants that PostgreSQL has, as their senders know them: ``(tenant, id)``."""
        sql = (
            "SELECT tenant_id, source_id FROM signals"
            " WHERE signal_type <> 'insight' AND tenant_id = ANY(CAST(:names AS text[]))"
        )
        with self.sql() as connection:
            return {(row[0], row[1]) for row in connection.run(sql, names=list(names))}

    def processed(self) -> int:
        """How many events PostgreSQL has."""
        with self.sql() as connection:
            return int(connection.run("SELECT coalesce(sum(events), 0) FROM usage")[0][0])

    def drained(self) -> bool:
        """Whether nothing is to be done any more, now or later."""
        with self.client() as client:
            left = [
                client.xlen(keyspace.stream_key(name, 0, lane)) + client.zcard(keyspace.retry_key(name, 0, lane))
                for name in keyspace.CHANNELS
                for lane in keyspace.LANES
            ]
            left += [client.zcard(keyspace.fair_key(name, 0)) for name in keyspace.CHANNELS]
        return not any(left)

    def rest(self) -> list[str]:
        """What a drained channel must not have; a sentence for each thing that is there."""
        found = []
        with self.client() as client:
            if not self.dead_letters() and (counted := client.hgetall(keyspace.bytes_key(0))):
                found.append(f"bytes are counted that are not there: {counted}")
            for name in keyspace.CHANNELS:
                if held := client.exists(*keyspace.fair_keys(name, 0)):
                    found.append(f"the fair queue of {name} has left {held} keys")
                for lane in keyspace.LANES:
                    if held := client.hlen(keyspace.parked_key(name, 0, lane)):
                        found.append(f"{held} parked events of {name} are never due")
                    pending: Any = client.xpending(keyspace.stream_key(name, 0, lane), keyspace.GROUP)
                    if pending["pending"]:
                        found.append(f"{pending['pending']} entries of {name} are pending and not in the stream")
        return found

    def dead_letters(self) -> dict[str, list[dict[bytes, bytes]]]:
        """The dead letters of each channel that has some."""
        with self.client() as client:
            found: dict[str, Any] = {name: client.xrange(keyspace.dead_key(name, 0)) for name in keyspace.CHANNELS}
        return {name: [fields for _, fields in letters] for name, letters in found.items() if letters}

    def clear(self) -> None:
        """Forget dead letters, mails and search documents: the next run has other tenants."""
        with self.client() as client:
            client.delete(*[keyspace.dead_key(name, 0) for name in keyspace.CHANNELS], keyspace.bytes_key(0))
        self.mailbox.messages.clear()
        self.searching.documents.clear()

    def documents(self, names: Sequence[str]) -> set[tuple[str, str]]:
        """The search documents of tenants, as ``(tenant, event id)``."""
        known = self.searching.documents.copy()  # at once: a request that was sent twice may still be arriving
        found = {(tenant, id_) for tenant, _, id_ in (each.partition(":") for each in known)}
        return {each for each in found if each[0] in names}

    def indexed(self, tenant: str, id_: str) -> bool:
        """Whether an event can be searched: it has gone all the way."""
        return f"{tenant}:{id_}" in self.searching.documents

    def mails(self) -> dict[str, int]:
        """How often the mail of each notice arrived, by the notice's id."""
        counts: dict[str, int] = {}
        for mail in list(self.mailbox.messages):
            notice = mail["Message-ID"].strip("<>").partition("@")[0]
            counts[notice] = counts.get(notice, 0) + 1
        return counts

    def killed(self, name: str) -> bool:
        """Whether a part, or its worker, was killed by its failpoint."""
        part = self.parts[name]
        assert part.process is not None
        return part.process.poll() is not None or "SIGKILL" in part.log.read_text("utf-8", "replace")


@contextmanager
def running(folder: Path, *, wired: bool) -> Iterator[Stage]:
    """Run everything for the length of the block.

    Args:
        wired: have a proxy between any two that speak to each other.
    """
    with ExitStack() as stack:
        disk = stack.enter_context(_disk(folder / "valkey"))
        store_redis, redis_url = _redis(folder)
        store_postgres, database_url = _postgres(folder)
        for store in (store_redis, store_postgres):
            stack.callback(store.stop)
            store.start()
        # Straight to the stores, as the Job before a rollout: without the key directory the front door is not ready.
        migrate.run(MigrateSettings.read({"DATABASE_URL": database_url, "REDIS_URL": redis_url}))
        mailbox = stack.enter_context(smtp.running())
        lines = Lines(stack.enter_context(proxy.running()) if wired else None)
        searcher = stack.enter_context(searching.running())
        env = {
            **TIMES,
            "REDIS_URL": lines.to("redis", redis_url),
            "DATABASE_URL": lines.to("postgres", database_url),
            "SSPP_SMTP_URL": lines.to("smtp", mailbox.url),
            "LOG_LEVEL": "warning",
            "SSPP_MAILS_PER_HOUR": "0",  # a mail for each notice, so that every one that is lost or doubled shows
            "SSPP_DURABILITY": "everysec",  # some faults make Redis' disk as slow as that
            "ELASTICSEARCH_URL": lines.to("search", searcher.url),
            "SSPP_SEARCH": "elasticsearch",
        }
        started = _parts(folder, env, lines)
        command = [sys.executable, "-m", "functions.tick", "--every", "1"]
        clock = Part("clock", command, _common(env), 0, folder / "clock.log")
        stage = Stage(
            folder,
            store_redis,
            store_postgres,
            redis_url,
            database_url,
            mailbox,
            started,
            lines.weather,
            searcher,
            disk,
            lines.to("ingest", started["ingest"].url),
            clock,
        )
        stack.callback(_end, stage)
        for part in (*started.values(), clock):
            part.start()
        stage.ready()
        yield stage


@dataclass
class Lines:
    """The way from one part to another: straight, or through a proxy."""

    proxies: Proxies | None
    weather: dict[str, Weather] = field(default_factory=dict)

    def to(self, name: str, url: str) -> str:
        """The URL under which others reach ``url``."""
        if self.proxies is None:
            return url
        before, _, rest = url.rpartition(":")
        port, slash, path = rest.partition("/")
        weather = self.weather.setdefault(name, Weather())
        return f"{before}:{self.proxies.to(int(port), weather)}{slash}{path}"


def _common(env: dict[str, str]) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(parts.ROOT), "SSPP_DELIVERY_TOKEN": TOKEN, **env}


def _parts(folder: Path, env: dict[str, str], lines: Lines) -> dict[str, Part]:
    port_of = dict(zip(NAMES, ports.free(len(NAMES)), strict=True))
    common = _common(env)
    found = {}
    for name, port in port_of.items():
        own = {**common, "PORT": str(port), "SSPP_METRICS_PORT": str(ports.free(1)[0])}
        command = [sys.executable, "-m", "functions.server", name]
        if name in SUBSCRIPTIONS:
            function = SUBSCRIPTIONS[name].function
            own["SSPP_TARGET_URL"] = lines.to(function, f"http://127.0.0.1:{port_of[function]}/")
            command = [sys.executable, "-m", "events", name]
        found[name] = Part(name, command, own, port, folder / f"{name}.log")
    return found


def _end(stage: Stage) -> None:
    """Ask every part to stop, and kill what does not."""
    running_ = [part for part in (*stage.parts.values(), *stage.spares, stage.clock) if part.process is not None]
    for part in running_:
        assert part.process is not None
        part.process.terminate()
    deadline = time.monotonic() + 20
    for part in running_:
        assert part.process is not None
        with contextlib.suppress(subprocess.TimeoutExpired):
            part.process.wait(max(0.1, deadline - time.monotonic()))
        part.kill()


def _redis(folder: Path) -> tuple[Store, str]:
    prepare = partial(valkey.prepare, folder)
    prepare()
    port = ports.free(1)[0]
    url = valkey.url(folder, port)
    answers = partial(valkey.answers, url)
    return Store(valkey.argv(folder, port), answers, folder / "valkey.log", prepare=prepare), url


def _postgres(folder: Path) -> tuple[Store, str]:
    prepare = partial(postgres.prepare, folder, fast=True)
    prepare()
    port = ports.free(1)[0]
    url = postgres.url(folder, port)
    # What is committed must outlive the server, not the machine: it is the server that is killed here.
    argv = [*postgres.argv(folder, port), "-c", "fsync=off", "-c", "max_connections=25"]
    log = folder / "postgres.log"
    # SIGQUIT: it and its children end at once, as after a crash; SIGKILL would leave the children for a while.
    answers = partial(postgres.answers, url)
    return Store(argv, answers, log, signal.SIGQUIT, postgres.STOP_SIGNAL, prepare), url


@contextmanager
def _disk(folder: Path) -> Iterator[Path | None]:
    """A disk of its own for Valkey, where we may mount one."""
    folder.mkdir(parents=True)
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(mounting, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    try:
        yield folder if mounted else None
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
