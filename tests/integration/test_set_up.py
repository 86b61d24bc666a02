"""``python -m functions.migrate`` as a Job runs it: before, while and after its stores come up."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis

from events import keyspace
from functions.adapters.postgres.database import connect
from functions.local import ports
from tests.conftest import cloned
from tests.servers import redis_server
from tests.servers.parts import ROOT


@pytest.fixture
def empty_database(postgres_url: str) -> Iterator[str]:
    with cloned(urlsplit(postgres_url)._replace(path="/template0").geturl()) as url:
        yield url


def started(*words: str, **told: str) -> subprocess.Popen[str]:
    argv = [sys.executable, "-m", "functions.migrate", *words]
    env = {"PATH": os.environ["PATH"], **told}
    return subprocess.Popen(argv, env=env, cwd=ROOT, stderr=subprocess.PIPE, text=True)


def test_a_redis_that_comes_later_than_the_job_is_set_up_all_the_same(database_url: str, tmp_path: Path) -> None:
    port = ports.free(1)[0]
    url = f"redis://127.0.0.1:{port}/0"
    job = started("--wait", "60", DATABASE_URL=database_url, REDIS_URL=url)
    try:
        assert job.stderr
        assert '"event": "waiting", "store": "Redis"' in job.stderr.readline()
        with redis_server.running("valkey", tmp_path, {"port": str(port)}, url=url):
            _, said = job.communicate(timeout=60)
            assert job.returncode == 0, said
            with redis.Redis.from_url(url) as client:
                assert client.xinfo_groups(keyspace.stream_key("events", 0))
    finally:
        job.kill()
        job.communicate()


def test_the_schema_alone_needs_no_redis(empty_database: str) -> None:
    job = started("--schema", DATABASE_URL=empty_database)
    _, said = job.communicate(timeout=60)
    assert job.returncode == 0, said
    with closing(connect(empty_database)) as connection:
        assert connection.run("SELECT count(*) FROM tenants") == [[0]]


def test_a_store_that_is_away_is_said_at_once_to_whoever_does_not_wait() -> None:
    away = ports.free(1)[0]
    job = started(
        DATABASE_URL=f"postgresql://a:s3cret@127.0.0.1:{away}/d", REDIS_URL=f"redis://:s3cret@127.0.0.1:{away}/0"
    )
    _, said = job.communicate(timeout=60)
    assert (job.returncode, said.strip()) == (
        1,
        "migrate: PostgreSQL is unavailable; nobody listens at the address in DATABASE_URL",
    )
