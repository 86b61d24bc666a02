"""Two tenants that send far above their fair rate get half of what is carried each; a quiet one waits for neither."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from events.settings import MigrateSettings
from functions import migrate
from functions.adapters.postgres.database import connect
from functions.local import valkey
from tests.servers import parts, tenant
from tests.servers.parts import Parts, until

LOUD, QUIET = ("loud-one", "loud-two"), "quiet"
#: Events of each loud tenant; those within its burst (ten seconds of the fair rate) go to the fast lane.
EVENTS, BURST = 600, 10
#: What the slow lane's stream takes before the fair queue begins.
SHORT = 50


@pytest.fixture
def running(database_url: str, tmp_path: Path) -> Iterator[tuple[Parts, dict[str, str]]]:
    """The parts from ingest to process, and each tenant's key."""
    with valkey.running(tmp_path) as redis_url:
        told = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "SSPP_FAIR_EVENTS_PER_SECOND": str(BURST // 10)}
        migrate.run(MigrateSettings.read(told))
        keys = {name: tenant.make(name, database_url=database_url, redis_url=redis_url) for name in (*LOUD, QUIET)}
        with parts.running(tmp_path, env=told, names=("ingest", "process", "events")) as started:
            yield started, keys


def send(url: str, key: str, ids: Sequence[int]) -> None:
    events = [
        {
            "specversion": "1.0",
            "id": str(id_),
            "source": "/s",
            "type": "email_opened",
            "data": {"accountId": f"a{id_}"},
        }
        for id_ in ids
    ]
    headers = {"content-type": "application/cloudevents-batch+json", "x-api-key": key}
    answer = httpx.post(f"{url}/v1/events", headers=headers, content=json.dumps(events), timeout=30)
    assert answer.status_code == 202


def test_two_loud_tenants_take_turns_and_a_quiet_one_is_not_delayed(running, database_url):
    started, keys = running
    dispatcher = started["events"].process
    assert dispatcher is not None
    os.kill(dispatcher.pid, signal.SIGSTOP)
    try:
        for tenant in LOUD:  # the second only when all of the first one's wait
            for first in range(0, EVENTS, 100):
                send(started["ingest"].url, keys[tenant], range(first, first + 100))
        send(started["ingest"].url, keys[QUIET], range(3))
    finally:
        os.kill(dispatcher.pid, signal.SIGCONT)
    with closing(connect(database_url)) as sql:
        count = "SELECT count(*) FROM signals WHERE signal_type <> 'insight'"
        until(lambda: sql.run(count)[0][0] == 2 * EVENTS + 3, within_s=60, what="everything is processed")
        rows = sql.run(
            "SELECT tenant_id, CAST(source_id AS integer) FROM signals WHERE signal_type <> 'insight'"
            " ORDER BY processed_at, tenant_id"
        )
        order = [row[0] for row in rows]
        slow = [row[0] for row in rows if row[0] != QUIET and row[1] >= BURST]
    assert max(at for at, tenant in enumerate(order) if tenant == QUIET) < 2 * BURST + 3 + 6 * SHORT
    waited = slow[SHORT : SHORT + EVENTS]  # while both wait
    assert abs(Counter(waited)[LOUD[0]] - Counter(waited)[LOUD[1]]) <= SHORT
