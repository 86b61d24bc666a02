"""Adapters on a database of the test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from functions.adapters.postgres.database import Database, connect
from tests.servers.parts import until


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with closing(Database(database_url)) as database:
        yield database


@pytest.fixture
def until_one_waits(database_url: str) -> Callable[[], None]:
    """Wait until exactly one statement waits for a lock."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"

    def wait() -> None:
        with closing(connect(database_url)) as connection:
            until(lambda: connection.run(waiting) == [[1]], within_s=10, what="one that waits for a lock")

    return wait
