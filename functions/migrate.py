"""``python -m functions.migrate``: before each rollout, bring the database, the key directory and the
consumer groups to where the new version needs them. Safe to repeat.
"""

from __future__ import annotations

import os
import sys
from contextlib import closing
from datetime import UTC, datetime
from itertools import product

from events import channel, keyspace, log, settings
from events.errors import ConfigError, Unavailable
from functions import tenants
from functions.adapters.postgres import migrate
from functions.adapters.postgres.database import Database
from functions.adapters.redis import usage


def main() -> None:
    """Migrate; exit 1 with a sentence when a backend is away, so that the Job is tried again."""
    try:
        told = settings.read(os.environ, require=settings.REQUIRED["migrate"])
        log.configure(told.log_level)
        run(told)
    except (ConfigError, Unavailable) as exc:
        sys.exit(f"migrate: {exc}")


def run(told: settings.Settings, now: datetime | None = None) -> None:
    """Migrate the database, rewrite the key directory and this month's counts, make sure of every group."""
    with closing(Database(told.database_url)) as database:
        database.ping()
    migrate.upgrade(told.database_url)
    month = (now or datetime.now(UTC)).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    client = channel.connect(told.redis_url)
    with tenants.opened(told.database_url, told.redis_url) as known, closing(client):
        for name, partition, lane in product(keyspace.CHANNELS, range(told.partitions), keyspace.LANES):
            channel.Channel(client, name, partition, "migrate", lane).ensure()
        usage.restore(client, known.record.events_in(month.date()), month, told.partitions)
        known.publish()
    log.Log("migrate").info("migrated")


if __name__ == "__main__":
    main()
