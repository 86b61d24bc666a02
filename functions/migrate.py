"""``python -m functions.migrate``: before each rollout, bring the database, the key directory and the
consumer groups to where the new version needs them. Safe to repeat.
"""

from __future__ import annotations

import os
import sys

from events import channel, log, settings
from events.errors import ConfigError, Unavailable
from functions.adapters.postgres import migrate
from functions.adapters.postgres.database import Database
from functions.adapters.postgres.tenants import PostgresTenants
from functions.adapters.redis.keys import RedisKeyDirectory


def main() -> None:
    """Migrate; exit 1 with a sentence when a backend is away, so that the Job is tried again."""
    try:
        told = settings.read(os.environ, require=settings.REQUIRED["migrate"])
        log.configure(told.log_level)
        run(told)
    except (ConfigError, Unavailable) as exc:
        sys.exit(f"migrate: {exc}")


def run(told: settings.Settings) -> None:
    """Migrate the database, rewrite the key directory, make sure of every channel's group."""
    database, client = Database(told.database_url), channel.connect(told.redis_url)
    try:
        database.ping()
        migrate.upgrade(told.database_url)
        RedisKeyDirectory(client).put(PostgresTenants(database).active_keys())
        for name in channel.CHANNELS:
            for partition in range(told.partitions):
                channel.Channel(client, name, partition, "migrate").ensure()
    finally:
        database.close()
        client.close()
    log.Log("migrate").info("migrated")


if __name__ == "__main__":
    main()
