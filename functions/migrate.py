"""``python -m functions.migrate [--wait SECONDS] [--schema]``: before each rollout, bring the database, the key
directory and the consumer groups to where the new version needs them, or the database alone. Safe to repeat.
"""

from __future__ import annotations

import os
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from functools import partial

from events import log
from events.errors import SsppError, Unavailable
from events.settings import MigrateSettings, SchemaSettings
from functions.adapters.postgres import migrate
from functions.adapters.postgres.database import Database
from functions.service import restore

#: Seconds between two attempts while a store does not answer, and between two lines of the log that say so.
AGAIN_S, TELL_S = 2.0, 30.0

_LOG = log.Log("migrate")


def main() -> None:
    """Migrate; exit 1 with a sentence when a backend is away, so that the Job is tried again."""
    parser = ArgumentParser(prog="migrate", description="bring the stores to where this version needs them")
    parser.add_argument("--wait", type=float, default=0, help="seconds that stores may take to answer (%(default)s)")
    parser.add_argument("--schema", action="store_true", help="PostgreSQL's schema alone, which needs no Redis")
    given = parser.parse_args()
    try:
        settings = SchemaSettings.read(os.environ) if given.schema else MigrateSettings.read(os.environ)
        log.configure(settings.log_level)
        act = partial(run, settings) if isinstance(settings, MigrateSettings) else partial(schema, settings)
        patiently(act, given.wait, time.monotonic, time.sleep)
        _LOG.info("migrated")
    except SsppError as exc:
        sys.exit(f"migrate: {exc.in_full}")


def patiently(
    act: Callable[[], None], wait_s: float, clock: Callable[[], float], sleep: Callable[[float], None]
) -> None:
    """Do ``act``, which is safe to repeat, until the stores answer: a first rollout starts them at the same time.

    Raises:
        Unavailable: one of them still does not after ``wait_s``.
    """
    now = clock()
    deadline, tell_at = now + wait_s, now
    while True:
        try:
            return act()
        except Unavailable as exc:
            now = clock()
            if now >= deadline:
                raise
            if now >= tell_at:
                _LOG.info("waiting", store=exc.what, reason=exc.reason, seconds_left=round(deadline - now))
                tell_at = now + TELL_S
        sleep(AGAIN_S)


def schema(settings: SchemaSettings) -> None:
    """Migrate the database, and let the parts log in."""
    with closing(Database(settings.database_url)) as database:
        database.ping()
    migrate.upgrade(settings.database_url, passwords=settings.passwords)


def run(settings: MigrateSettings, now: datetime | None = None) -> None:
    """Migrate the database, then fill Redis from it."""
    schema(settings)
    restore.fill(settings, now or datetime.now(UTC))


if __name__ == "__main__":
    main()
