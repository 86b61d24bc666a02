"""Reads: every question of the API, and the bytes an event takes, in a large installation and in a tenth of it."""

from __future__ import annotations

import json
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import redis

from events import keyspace
from events.settings import MigrateSettings
from functions import migrate
from functions.adapters.postgres.database import connect
from functions.domain.signal import instant
from functions.local import postgres, valkey
from tests.bench import history, servers
from tests.bench.figure import Figure
from tests.bench.history import BIG, EVERYWHERE, HALF, HOT, RARE, SMALL, SOME, Sent
from tests.bench.servers import Server
from tests.servers import tenant

SIGNALS = 1_000_000
#: Events in the streams at a time, so that Redis stays small and nothing waits longer than a delivery may take.
AHEAD = 20_000
#: Events and installations of the largest and of a small tenant that are asked about, drawn from all of them.
KEPT = 500
#: One read is asked for so often a round, as far as its seconds allow; the p95 is of those answers.
TIMES = 40
#: The goals: milliseconds of a p95, and how many times as long as with a tenth of the signals.
MOST_MS, MOST_TIMES = 30.0, 1.5
COMMON_MS, RARE_MS = 50.0, 15.0
#: The goals for one event: bytes of PostgreSQL once it is vacuumed, and of its write-ahead log.
MOST_BYTES, MOST_WAL = 1_100.0, 1_700.0


@dataclass
class Installation:
    """A running API over so many signals: the tenants' keys, some events of theirs, and what an event took."""

    api: Server
    keys: Mapping[str, str]
    known: Mapping[str, Sequence[Sent]]
    bytes_each: float
    wal_each: float
    connections: dict[str, HTTPConnection] = field(default_factory=dict)

    def get(self, whose: str, path: str) -> dict[str, Any]:
        """Ask as a tenant.

        Raises:
            RuntimeError: the answer is neither one nor a 503, which is what a read that takes too long ends with.
        """
        connection = self.connections.setdefault(whose, HTTPConnection(*self.api.address, timeout=60))
        connection.request("GET", path, headers={"x-api-key": self.keys[whose]})
        answer = connection.getresponse()
        body: dict[str, Any] = json.loads(answer.read())
        if answer.status not in {200, 503}:
            raise RuntimeError(f"{path} is answered with {answer.status}: {body}")
        return body


@dataclass(frozen=True)
class Read:
    """One kind of question: who asks, its path, made anew each time, and its goal in milliseconds."""

    name: str
    path: Callable[[Sent, random.Random, Installation], str]
    whose: str = BIG
    most_ms: float = MOST_MS


def measure(folder: Path, *, rounds: int, seconds: float, signals: int) -> list[Figure]:
    """Measure every read on both installations in turn.

    Args:
        seconds: for which a read may be repeated in a round.
    """
    took: dict[tuple[str, int], list[float]] = defaultdict(list)
    sizes = (signals // 10, signals)
    with ExitStack() as stack:
        standing = {size: stack.enter_context(_installation(folder / str(size), size)) for size in sizes}
        for number in range(rounds + 1):  # the first one warms up
            for read in READS:
                for size in sizes:
                    p95_ms = _p95_ms(standing[size], read, random.Random(number), seconds)
                    took[read.name, size] += [p95_ms] if number else []
        few, all_ = (standing[size] for size in sizes)
        return [
            *(
                Figure(
                    name=f"{read.name}, p95",
                    values=took[read.name, signals],
                    unit="ms",
                    baseline=f"at {sizes[0]:,} signals",
                    baselines=took[read.name, sizes[0]],
                    most=MOST_TIMES,
                    most_alone=read.most_ms,
                )
                for read in READS
            ),
            Figure(name="PostgreSQL an event", values=[all_.bytes_each], unit="B", most=MOST_BYTES),
            Figure(name="write-ahead log an event", values=[few.wal_each], unit="B", most=MOST_WAL),
        ]


def _p95_ms(standing: Installation, read: Read, draw: random.Random, seconds: float) -> float:
    taken: list[float] = []
    until = time.perf_counter() + seconds
    while len(taken) < TIMES and (not taken or time.perf_counter() < until):
        path = "/api/v1" + read.path(draw.choice(standing.known[read.whose]), draw, standing)
        started = time.perf_counter()
        standing.get(read.whose, path)
        taken.append((time.perf_counter() - started) * 1000)
    return sorted(taken)[len(taken) * 95 // 100]


@contextmanager
def _installation(folder: Path, signals: int) -> Iterator[Installation]:
    """One with so many signals that came the usual way, and an API over it."""
    folder.mkdir()
    with postgres.running(folder) as database_url, valkey.running(folder) as redis_url:
        stores = {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
        migrate.run(MigrateSettings.read(stores))
        keys = {name: tenant.make(name, _rule(name), **_urls(stores)) for name in history.TENANTS}
        before = _size(database_url)
        known = _load(folder, stores, history.events(signals, datetime.now(UTC)))
        bytes_each, wal_each = ((now - then) / signals for now, then in zip(_size(database_url), before, strict=True))
        with servers.function("api", stores).running(folder / "api.log") as api:
            yield Installation(api, keys, known, bytes_each, wal_each)


def _urls(stores: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): url for name, url in stores.items()}


def _rule(name: str) -> Any:
    return tenant.rule("engagement crossed 50", "account.engagement >= 50", f"sales@{name}.example")


def _load(folder: Path, stores: Mapping[str, str], events: Iterator[Sent]) -> Mapping[str, Sequence[Sent]]:
    """Let the parts take ``events`` from the stream; gives some of the largest and of a small tenant's."""
    known: dict[str, list[Sent]] = {BIG: [], SMALL: []}
    draw, seen = random.Random(2), dict.fromkeys((BIG, SMALL), 0)
    with _parts(folder, stores), redis.Redis.from_url(stores["REDIS_URL"]) as client:
        while some := list(islice(events, AHEAD // 4)):
            _wait(client, AHEAD)
            pipeline = client.pipeline(transaction=False)
            for sent in some:
                pipeline.xadd(keyspace.stream_key("events", 0), {"event": sent.event})
                if sent.tenant in known:
                    _keep(known[sent.tenant], sent, seen[sent.tenant], draw)
                    seen[sent.tenant] += 1
            pipeline.execute()
        _wait(client, 0)
    return known


def _keep(kept: list[Sent], sent: Sent, before: int, draw: random.Random) -> None:
    """Keep a sample of a stream whose length is unknown, every one with the same chance (reservoir sampling)."""
    if len(kept) < KEPT:
        kept.append(sent)
    elif (at := draw.randrange(before + 1)) < KEPT:
        kept[at] = sent


@contextmanager
def _parts(folder: Path, stores: Mapping[str, str]) -> Iterator[None]:
    """Those that carry an event to where it is read, but for who sends notices."""
    told = {**stores, "SSPP_MAX_WAITING_BYTES": str(servers.UNBOUNDED)}
    with ExitStack() as stack:
        function = stack.enter_context(servers.function("process", told).running(folder / "process.log"))
        stack.enter_context(servers.dispatcher("events", function, told).running(folder / "events.log"))
        yield


def _wait(client: redis.Redis, most: int) -> None:
    """Wait until no more than ``most`` events are left.

    Raises:
        RuntimeError: some were not taken.
    """
    while client.xlen(keyspace.stream_key("events", 0)) > most:
        if client.exists(keyspace.dead_key("events", 0)):
            raise RuntimeError("process does not take the events; its log says why")
        time.sleep(0.05)
    client.delete(keyspace.stream_key("notices", 0))


def _size(database_url: str) -> tuple[int, int]:
    """The database's bytes once it is vacuumed, and all that its write-ahead log has had until then."""
    with closing(connect(database_url)) as connection:
        [[written]] = connection.run("SELECT CAST(pg_current_wal_lsn() - '0/0' AS bigint)")
        connection.run("VACUUM ANALYZE")
        connection.run("CHECKPOINT")
        [[size]] = connection.run("SELECT pg_database_size(current_database())")
    return int(size), int(written)


def _list(what: str, **asked: object) -> str:
    return f"/{what}?{urlencode({name.rstrip('_'): value for name, value in asked.items()})}"


def _last_page(_: Sent, __: random.Random, standing: Installation) -> str:
    pages = standing.get(BIG, "/api/v1/signals").get("pagination", {}).get("totalPages", 1)
    return _list("signals", page=pages)


def _next(what: str, **asked: object) -> Callable[[Sent, random.Random, Installation], str]:
    """Return what asks for the second page of a list, by the cursor of the first."""

    def path(_: Sent, __: random.Random, standing: Installation) -> str:
        cursor = standing.get(BIG, "/api/v1" + _list(what, **asked)).get("next_cursor")
        return _list(what, **asked, **({"cursor": cursor} if cursor else {}))

    return path


def _a_day(sent: Sent) -> dict[str, str]:
    return {"from": instant(sent.at), "to": instant(sent.at + timedelta(days=1))}


def _month_ago() -> str:
    return instant(datetime.now(UTC) - timedelta(days=30))


READS: Sequence[Read] = (
    Read("accounts, page 1", lambda *_: "/accounts"),
    Read("accounts, page 100", lambda *_: "/accounts?page=100"),
    Read("accounts seen last", lambda *_: "/accounts?sortBy=lastSeen"),
    Read("accounts by trend", lambda *_: "/accounts?sortBy=trend"),
    Read("accounts, page 1, a small tenant", lambda *_: "/accounts", SMALL),
    Read("one account with 12 % of the events", lambda *_: f"/accounts/{HOT}"),
    Read("the same a month ago", lambda *_: _list(f"accounts/{HOT}", at=_month_ago())),
    Read("one account", lambda sent, *_: f"/accounts/{sent.account}"),
    Read("one account, a small tenant", lambda sent, *_: f"/accounts/{sent.account}", SMALL),
    Read("signals, page 1", lambda *_: "/signals"),
    Read("signals, page 100", lambda *_: "/signals?page=100"),
    Read("signals, the last page with a number", _last_page),
    Read("signals, next page", _next("signals")),
    Read("signals, the oldest first", lambda *_: _list("signals", sortOrder="asc")),
    Read("signals, a small tenant", lambda *_: "/signals", SMALL),
    Read("signals of the account with 12 %", lambda *_: _list("signals", accountId=HOT)),
    Read("signals of an account", lambda sent, *_: _list("signals", accountId=sent.account)),
    Read("signals of a contact", lambda sent, *_: _list("signals", contactId=sent.contact)),
    Read("signals of a contact, a small tenant", lambda sent, *_: _list("signals", contactId=sent.contact), SMALL),
    Read("signals of a user", lambda sent, *_: _list("signals", userId=sent.user)),
    Read("signals of a common type", lambda *_: _list("signals", eventType="page_viewed")),
    Read("signals of a rare type", lambda *_: _list("signals", eventType="email_unsubscribed")),
    Read("signals of a signal type", lambda *_: _list("signals", signalType="high_intent")),
    Read("signals of a user and a signal type", lambda s, *_: _list("signals", userId=s.user, signalType="intent")),
    Read(
        "signals of an account and a type", lambda *_: _list("signals", accountId=HOT, eventType="email_unsubscribed")
    ),
    Read("signals of a day", lambda sent, *_: _list("signals", **_a_day(sent))),
    Read("signals by the time they were processed", lambda *_: _list("signals", sortBy="processed_at")),
    Read("signals by score", lambda *_: _list("signals", sortBy="signal_score")),
    Read("signals by points", lambda *_: _list("signals", sortBy="points")),
    Read("signals by points, next page", _next("signals", sortBy="points")),
    Read("signals by points, of a type", lambda *_: _list("signals", sortBy="points", eventType="email_opened")),
    Read("signals in numbers", lambda *_: "/signals/stats"),
    Read("signals in numbers, of an account", lambda sent, *_: _list("signals/stats", accountId=sent.account)),
    Read("one signal", lambda sent, *_: f"/signals/{sent.id}"),
    Read("one event", lambda sent, *_: f"/events/{sent.id}"),
    Read("notifications", lambda *_: "/notifications"),
    Read("notifications, next page", _next("notifications")),
    Read("dead letters", lambda *_: "/dead-letters"),
    Read("search, a word of every event", lambda *_: _list("signals/search", q=EVERYWHERE), most_ms=COMMON_MS),
    Read("search, a common word", lambda *_: _list("signals/search", q=HALF), most_ms=COMMON_MS),
    Read("search, a common word, a small tenant", lambda *_: _list("signals/search", q=HALF), SMALL, COMMON_MS),
    Read("search, a common word, next page", _next("signals/search", q=HALF), most_ms=COMMON_MS),
    Read("search, a word of one in eight", lambda *_: _list("signals/search", q=SOME), most_ms=COMMON_MS),
    Read("search, two words", lambda *_: _list("signals/search", q=f"{SOME} pricing"), most_ms=COMMON_MS),
    Read("search, a rare word", lambda *_: _list("signals/search", q=RARE), most_ms=RARE_MS),
    Read("search, a word and a type", lambda *_: _list("signals/search", q=HALF, eventType="call_made")),
    Read("search, a word and an account", lambda sent, *_: _list("signals/search", q=HALF, accountId=sent.account)),
    Read("search, a word and a day", lambda sent, *_: _list("signals/search", q=HALF, **_a_day(sent))),
    Read("search without a word", lambda *_: "/signals/search", most_ms=COMMON_MS),
)
