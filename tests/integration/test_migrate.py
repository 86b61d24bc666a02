from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from urllib.parse import urlsplit

import redis

from events import keyspace, settings
from functions import migrate
from functions.adapters.postgres import migrate as schema
from functions.adapters.postgres.database import Database, connect
from functions.adapters.postgres.signal_store import PostgresSignalStore
from functions.adapters.postgres.tenants import PostgresTenants
from tests.conftest import cloned
from tests.integration.test_signal_store import NOW, signal


def test_a_months_count_that_redis_lost_begins_with_what_was_processed(
    database: Database, database_url: str, redis_url: str
) -> None:
    PostgresTenants(database).put("acme-inc", "Acme")
    last_month = NOW - timedelta(days=30)
    PostgresSignalStore(database).record([signal(number) for number in range(3)])
    PostgresSignalStore(database).record([signal(7, received_at=last_month, occurred_at=last_month)])
    told = settings.read({"DATABASE_URL": database_url, "REDIS_URL": redis_url})
    with redis.Redis.from_url(redis_url) as client:
        count = keyspace.count_key("acme-inc", 0, NOW)
        migrate.run(told, NOW)
        assert client.get(count) == b"3"
        client.set(count, 5)  # accepted and not processed yet: what is there is more exact
        migrate.run(told, NOW)
        assert client.get(count) == b"5"


def test_sums_that_had_rows_of_their_own_move_into_their_accounts_row(postgres_url: str) -> None:
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
        schema.upgrade(url)
        assert connection.run("SELECT tenant_id, account_id, sums FROM accounts ORDER BY 1, 2") == [
            ["t1", "acme", [["buyer", 30, 0, 36893488147419103233], ["rep", 7, 2, -5]]],
            ["t1", "none", []],
            ["t2", "acme", [["buyer", 7, 0, 1]]],
        ]
