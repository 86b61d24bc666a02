"""An Elasticsearch that is away for long stops nobody: events are processed, and all are found once it is back."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from events import keyspace
from events.settings import MigrateSettings, TickSettings
from functions import migrate, tick
from functions.adapters.postgres.database import connect
from functions.domain.key import RANDOM_BYTES, new_key
from functions.local import valkey
from functions.service import first_tenant
from tests.servers import parts, searching
from tests.servers.parts import until

EVENTS, BATCH = 600, 50
#: A tenth of it is what may wait for the search: about 120 ids.
WAITING_BYTES = 524_288


@dataclass
class World:
    """The parts but index, with little room for what waits for it."""

    told: dict[str, str]
    folder: Path
    parts: parts.Parts
    key: str
    sql: Any
    redis: Any

    def send(self, first: int) -> int:
        """Send a batch; return the status."""
        events = [
            {"specversion": "1.0", "id": str(id_), "source": "/s", "type": "email_opened", "data": {"accountId": "a"}}
            for id_ in range(first, first + BATCH)
        ]
        headers = {"content-type": "application/cloudevents-batch+json", "x-api-key": self.key}
        url = f"{self.parts['ingest'].url}/v1/events"
        return httpx.post(url, headers=headers, content=json.dumps(events), timeout=30).status_code

    def count(self, table: str) -> int:
        return int(self.sql.run(f"SELECT count(*) FROM {table}")[0][0])

    def has(self, table: str, rows: int) -> bool:
        return self.count(table) == rows


@pytest.fixture
def world(database_url: str, tmp_path: Path) -> Iterator[World]:
    with valkey.running(tmp_path) as redis_url:
        told = {
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "SSPP_MAX_BODY_BYTES": str(WAITING_BYTES // 2),
            "SSPP_MAX_WAITING_BYTES": str(WAITING_BYTES),
            "SSPP_SEARCH": "elasticsearch",
        }
        migrate.run(MigrateSettings.read(told))
        key = new_key(os.urandom(RANDOM_BYTES))
        first_tenant.ensure(
            "acme", name="acme", key=key, definitions={}, database_url=database_url, redis_url=redis_url
        )
        with (
            parts.running(tmp_path, env=told, names=("ingest", "process", "events")) as started,
            closing(connect(database_url)) as sql,
            redis.Redis.from_url(redis_url) as client,
        ):
            yield World(told, tmp_path, started, key, sql, client)


def test_events_are_taken_while_the_search_is_away_and_all_are_found_once_it_is_back(world):
    for first in range(0, EVENTS, BATCH):
        assert world.send(first) == 202
        until(partial(world.has, "signals", first + BATCH), within_s=30, what="the batch is processed")
    until(lambda: not world.redis.xlen(keyspace.stream_key("events", 0)), within_s=30, what="all is settled")
    waiting = world.redis.xlen(keyspace.stream_key("signals", 0))
    assert 50 < waiting < EVENTS / 2
    assert int(world.redis.hget(keyspace.behind_key("signals", 0), "left_out")) == EVENTS - waiting
    folder = world.folder / "back"
    folder.mkdir()
    with searching.running() as search:
        back = {**world.told, "ELASTICSEARCH_URL": search.url}

        def found() -> bool:
            tick.look(TickSettings.read(world.told), datetime.now(UTC))
            # That nothing is left out any more is noted by the look after the one that published the last of it.
            return len(search.documents) == EVENTS and not world.redis.exists(keyspace.behind_key("signals", 0))

        with parts.running(folder, env=back, names=("index", "signals")):
            until(found, within_s=60, what="everything is found")
