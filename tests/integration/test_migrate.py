from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import redis
from pydantic_core import to_json

from events import channel, keyspace
from events.errors import ConfigError, Unavailable
from events.settings import MigrateSettings
from functions import migrate
from functions.adapters.postgres import migrate as schema
from functions.adapters.postgres.database import Database, connect
from functions.adapters.postgres.signal_store import PostgresSignalStore
from functions.adapters.postgres.tenants import PostgresTenants
from functions.adapters.redis import partitions
from functions.adapters.redis.admission import count_key
from functions.domain import ranking, score
from functions.domain.catalog import EVENT_TYPES
from functions.domain.score import Slot, Sum
from tests.conftest import cloned
from tests.integration.test_signal_store import NOW, signal
from tests.servers.parts import until
from tests.servers.recording import record


def test_a_months_count_that_redis_lost_begins_with_what_was_processed(
    database: Database, database_url: str, redis_url: str
) -> None:
    PostgresTenants(database).put("acme-inc", "Acme")
    last_month = NOW - timedelta(days=30)
    record(PostgresSignalStore(database), [signal(number) for number in range(3)])
    record(PostgresSignalStore(database), [signal(7, received_at=last_month, occurred_at=last_month)])
    settings = MigrateSettings.read({"DATABASE_URL": database_url, "REDIS_URL": redis_url})
    with redis.Redis.from_url(redis_url) as client:
        count = count_key("acme-inc", 0, NOW)
        migrate.run(settings, NOW)
        assert client.get(count) == b"3"
        client.set(count, 5)  # accepted and not processed yet: what is there is more exact
        migrate.run(settings, NOW)
        assert client.get(count) == b"5"


RULE = "6a7f6f0e-0000-4000-8000-000000000001"


def test_what_had_rows_of_its_own_moves_into_its_accounts_row(postgres_url: str) -> None:
    empty = urlsplit(postgres_url)._replace(path="/template0").geturl()
    with cloned(empty) as url, closing(connect(url)) as connection:
        schema.upgrade(url, "0004")
        connection.run(
            "INSERT INTO accounts (tenant_id, account_id) VALUES ('t1', 'acme'), ('t1', 'none'), ('t2', 'acme')"
        )
        connection.run(
            "INSERT INTO account_sums (tenant_id, account_id, side, half_life_days, era, total) VALUES"
            " ('t1', 'acme', 'rep', 7, 2, -5), ('t1', 'acme', 'buyer', 30, 0, 36893488147419103233),"
            " ('t2', 'acme', 'buyer', 7, 0, 1)"
        )
        connection.run(
            "INSERT INTO rule_episodes (tenant_id, rule_id, account_id, number, open, opened_at) VALUES"
            f" ('t2', '{RULE}', 'acme', 3, true, '2026-03-04 12:00:00.25+02')"
        )
        schema.upgrade(url, "0005")
        assert connection.run("SELECT tenant_id, account_id, sums, episodes FROM accounts ORDER BY 1, 2") == [
            ["t1", "acme", [["buyer", 30, 0, 36893488147419103233], ["rep", 7, 2, -5]], {}],
            ["t1", "none", [], {}],
            ["t2", "acme", [["buyer", 7, 0, 1]], {RULE: [3, True, "2026-03-04T10:00:00.25+00:00"]}],
        ]


def test_sums_by_half_life_become_sums_by_event_type_to_the_last_integer(postgres_url: str) -> None:
    """100,000 signals as the release before stored them; one account has points that no signal accounts for."""
    chance = random.Random(1)
    kinds = [EVENT_TYPES[name] for name in sorted({kind.type for kind in EVENT_TYPES.values() if kind.points})]
    rows, before = [], defaultdict[str, Counter[tuple[str, int, int]]](Counter)
    expected = defaultdict[str, dict[Slot, Sum]](dict)
    for number in range(100_000):
        kind, account = kinds[int(chance.random() ** 2 * len(kinds))], f"account-{int(chance.random() ** 2 * 2_000)}"
        at = NOW - timedelta(days=chance.random() ** 3 * 1500, microseconds=number)
        contact = chance.choice([None, None, "jo", "kim"])
        slot, added = score.contribution(kind, at, named=contact is not None)
        before[account][slot[1:4]] += added[0]
        score.add(expected[account], slot, added)
        meant = {"side": kind.side, "points": kind.points, "half_life_days": kind.half_life_days}
        rows.append(
            {
                "number": number,
                "account_id": account,
                "contact_id": contact,
                "event_type": kind.type,
                "at": at,
                **meant,
            }
        )
    before["account-0"]["buyer", 60, 0] += 5
    expected["account-0"][("earlier", "buyer", 60, 0, False)] = (5, 0, 0)
    sums = [
        {"account_id": name, "sums": [[*of, total] for of, total in each.items()]} for name, each in before.items()
    ]
    empty = urlsplit(postgres_url)._replace(path="/template0").geturl()
    with cloned(empty) as url, closing(connect(url)) as connection:
        schema.upgrade(url, "0013")
        connection.run("INSERT INTO tenants (tenant_id, name) VALUES ('acme-inc', 'Acme'), ('silent', 'Silent')")
        for some in (rows[start : start + 5_000] for start in range(0, len(rows), 5_000)):
            connection.run(
                "INSERT INTO signals (tenant_id, id, source, source_id, event_type, account_id, contact_id,"
                ' signal_type, signal_score, side, points, half_life_days, "timestamp", received_at, reasons)'
                " SELECT 'acme-inc', gen_random_uuid(), '/old', number, event_type, account_id, contact_id,"
                " 'intent', 0.5, side, points, half_life_days, at, at, '[]' FROM"
                " json_to_recordset(CAST(:rows AS json)) AS given(number text, event_type text,"
                " account_id text, contact_id text, side text, points integer,"
                " half_life_days integer, at timestamptz)",
                rows=to_json(some).decode(),
            )
        connection.run(
            "INSERT INTO accounts (tenant_id, account_id, sums) SELECT 'acme-inc', account_id, sums"
            " FROM json_to_recordset(CAST(:sums AS json)) AS given(account_id text, sums json)",
            sums=to_json(sums).decode(),
        )
        schema.upgrade(url)
        models = connection.run("SELECT tenant_id, version, definition FROM models")
        found = connection.run("SELECT account_id, slots, engagement_rank, effort_rank, slow FROM accounts")
    assert models == [["acme-inc", 1, {"rollup": None}]]
    assert len(found) == len(expected)
    for account, slots, *ranks in found:
        got = score.from_rows(slots)
        if account == "account-0":
            assert got[("earlier", "buyer", 60, 0, False)][0] == 5
            got[("earlier", "buyer", 60, 0, False)] = (5, 0, 0)
        assert got == expected[account]
        expected_ranks = ranking.ranks(got)
        assert ranks[-1] == expected_ranks.slow
        for rank, of in zip(ranks, expected_ranks, strict=True):
            assert rank - of in (0, -1), "one higher at most, where PostgreSQL's logarithm is rounded otherwise"


_SIGNAL = (
    "INSERT INTO signals (tenant_id, id, source, source_id, event_type, account_id, signal_type, signal_score, side,"
    ' points, half_life_days, "timestamp", received_at, metadata, reasons)'
    " SELECT 'acme', gen_random_uuid(), '/tests', '1', 't', 'a', 's', 0.5, 'buyer', 1, 7, now(), now(), '{}', '[]'"
)


def test_indexes_are_made_while_others_write_by_one_migration_at_a_time_and_made_anew_where_one_was_cut_off(
    postgres_url: str,
) -> None:
    empty = urlsplit(postgres_url)._replace(path="/template0").geturl()
    with cloned(empty) as url, closing(connect(url)) as writer, closing(connect(url)) as other:
        schema.upgrade(url, "0014")
        writer.run("CREATE INDEX signals_newest ON signals (points)")  # as one that was cut off left its name
        writer.run("BEGIN")
        writer.run(_SIGNAL)
        with ThreadPoolExecutor() as threads:
            migrations = [threads.submit(schema.upgrade, url) for _ in range(2)]
            try:
                waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'virtualxid'"
                until(lambda: other.run(waiting) == [[1]], within_s=20, what="an index waits for the one who writes")
                other.run("SET lock_timeout = '2s'")
                other.run(_SIGNAL)
                assert not any(migration.done() for migration in migrations)
            finally:
                writer.run("COMMIT")
            for migration in migrations:
                migration.result(timeout=60)
        found = dict(
            other.run(
                "SELECT relname, indisvalid FROM pg_index JOIN pg_class ON oid = indexrelid"
                " WHERE indrelid = CAST('signals' AS regclass)"
            )
        )
    assert all(found.values())
    assert {"signals_newest", "signals_by_contact"} < set(found)
    assert "signals_by_time" not in found


def dead_letter(client: redis.Redis, partition: int) -> None:
    client.xadd(keyspace.dead_key("notices", partition), {"event": "{}"})


def event(client: redis.Redis, partition: int) -> None:
    client.xadd(keyspace.stream_key("events", partition, keyspace.SLOW), {"event": "{}"})


def retry(client: redis.Redis, partition: int) -> None:
    client.zadd(keyspace.retry_key("signals", partition), {"1-0": 1})


@pytest.mark.parametrize("left", [dead_letter, event, retry])
@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1)])
def test_another_number_of_partitions_is_refused_while_something_would_be_out_of_sight(
    redis_url: str, left: Callable[[redis.Redis, int], None], before: int, after: int
) -> None:
    with redis.Redis.from_url(redis_url) as client:
        partitions.settle_on(client, before)
        left(client, before - 1)
        partitions.settle_on(client, before)
        for _ in range(2):
            with pytest.raises(ConfigError, match=f"SSPP_PARTITIONS is {after}, but was {before}"):
                partitions.settle_on(client, after)
        client.flushdb()
        partitions.settle_on(client, before)
        partitions.settle_on(client, after)
        left(client, 0)
        with pytest.raises(ConfigError, match=f"SSPP_PARTITIONS is {before}, but was {after}"):
            partitions.settle_on(client, before)


def test_migrating_minds_the_number_of_partitions(database_url: str, redis_url: str) -> None:
    env = {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
    with redis.Redis.from_url(redis_url) as client:
        migrate.run(MigrateSettings.read(env), NOW)
        dead_letter(client, 0)
        with pytest.raises(ConfigError):
            migrate.run(MigrateSettings.read({**env, "SSPP_PARTITIONS": "2"}), NOW)
        assert not client.exists(keyspace.stream_key("events", 1)), "nothing was made for it"


def test_a_redis_that_is_away_is_unavailable() -> None:
    with channel.connect("redis://127.0.0.1:1") as client, pytest.raises(Unavailable):
        partitions.settle_on(client, 1)


def test_a_read_only_database_is_one_line_and_no_trace(postgres_url: str) -> None:
    empty = urlsplit(postgres_url)._replace(path="/template0").geturl()
    with cloned(empty) as url, closing(connect(url)) as operator:
        operator.run(f"ALTER DATABASE {urlsplit(url).path.lstrip('/')} SET default_transaction_read_only = on")
        done = subprocess.run(
            [sys.executable, "-m", "functions.migrate", "--schema"],
            env={**os.environ, "DATABASE_URL": url},
            capture_output=True,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "migrate: PostgreSQL is unavailable; PostgreSQL is read-only" in done.stderr
