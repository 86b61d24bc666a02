"""The deployed Redis configuration on a real server, and that only its users get in. What each may do is in
tests/contract/test_redis_users.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError
from redis.retry import Retry

from events import keyspace
from tests.infra import deployed, pulumi_jobs, triggers
from tests.infra.deployed import client

STREAM, RETRY = keyspace.stream_key("events", 0), keyspace.retry_key("events", 0)

#: redis-py tries a refused login again otherwise.
ONCE = Retry(NoBackoff(), 0)


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with deployed.redis(tmp_path_factory.mktemp("redis") / "home") as port:
        with client(port, "operator") as operator:
            operator.xadd(STREAM, {"event": "{}"})
        yield port


def test_keda_sees_how_much_is_waiting(port):
    with client(port, "keda") as keda, client(port, "dispatcher") as dispatcher:
        assert keda.ping()
        assert keda.xlen(STREAM) == 1
        assert keda.eval(triggers.LENGTH, 1, RETRY) == 0  # there is no such key yet
        dispatcher.zadd(RETRY, {"parked": 1})
        assert keda.eval(triggers.LENGTH, 1, RETRY) == 1


def test_a_backup_gets_the_snapshot_a_replica_would_get(port, tmp_path):
    env = {"REDIS_BACKUP_URL": f"redis://backup:{deployed.PASSWORDS['backup']}@127.0.0.1:{port}/0"}
    pulumi_jobs.run("redis.sh", "dump", tmp_path, env=env)
    assert STREAM.encode() in (tmp_path / "redis-0.rdb").read_bytes()


def test_the_exporter_sees_how_redis_is(port):
    with client(port, "exporter") as exporter:
        assert exporter.info("memory")["maxmemory"] == 192 * 2**20
        assert exporter.xlen(STREAM) == 1


@pytest.mark.parametrize("user", ["ingest", "api"])
def test_the_front_door_sees_whether_redis_keeps_what_it_takes(port, user):
    with client(port, user) as connection:
        assert connection.config_get("appendfsync") == {"appendfsync": "always"}
        assert connection.info("persistence")["aof_enabled"] == 1


def test_without_a_user_there_is_nothing(port):
    with redis.Redis(port=port, retry=ONCE) as nobody, pytest.raises(AuthenticationError):
        nobody.ping()


@pytest.mark.parametrize("user", deployed.PASSWORDS)
def test_a_wrong_password_is_refused(port, user):
    with (
        redis.Redis(port=port, username=user, password="x", retry=ONCE) as stranger,
        pytest.raises(AuthenticationError),
    ):
        stranger.ping()


def test_passwords_are_kept_as_hashes(tmp_path: Path):
    with deployed.redis(tmp_path / "home"):
        written = (tmp_path / "home" / "run" / "users.acl").read_text("utf-8")
    assert not [password for password in deployed.PASSWORDS.values() if password in written]
    assert (tmp_path / "home" / "run" / "users.acl").stat().st_mode & 0o077 == 0
