from __future__ import annotations

from datetime import timedelta

import redis

from events import keyspace, settings
from functions import migrate
from functions.adapters.postgres.database import Database
from functions.adapters.postgres.signal_store import PostgresSignalStore
from functions.adapters.postgres.tenants import PostgresTenants
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
