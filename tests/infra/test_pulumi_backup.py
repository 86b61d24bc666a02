"""A restore, rehearsed: the very commands of the CronJobs, against real servers, through a bucket and back.

Not rehearsed here: the images they run in, Kubernetes' part of it, and Linode's bucket (pulumi_bucket.py serves S3).
"""

from __future__ import annotations

import os
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
import redis

from events import keyspace
from events.channel import Channel
from events.channel import connect as connect_redis
from events.entry import Park
from functions.adapters.postgres import migrate
from functions.adapters.postgres.database import Database, connect
from functions.adapters.postgres.signal_store import PostgresSignalStore
from functions.adapters.postgres.tenants import PostgresTenants
from functions.local import postgres, valkey
from tests.infra import pulumi_bucket
from tests.infra.pulumi_bucket import Bucket
from tests.infra.pulumi_jobs import Pair, jobs_of, made, perform, run
from tests.integration.test_signal_store import signal
from tests.servers.recording import record


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return made(tmp_path_factory.mktemp("pair"))


@pytest.fixture(scope="module")
def jobs() -> dict[str, Mapping[str, Any]]:
    return jobs_of("prod")


@pytest.fixture
def bucket(pair: Pair) -> Iterator[Bucket]:
    with pulumi_bucket.running(*pair) as bucket:
        yield bucket


# -- the bucket

#: A part, so that a few kilobytes are several.
PARTS = {"PART_BYTES": "1000"}


def written(folder: Path, **files: bytes) -> Path:
    folder.mkdir(parents=True)
    for name, body in files.items():
        (folder / name).write_bytes(body)
    return folder


def sealed(folder: Path, pair: Pair, **files: bytes) -> Path:
    """Encrypt files as the Jobs do, below ``folder``."""
    plain = written(folder / "plain", **files)
    run("seal.sh", "seal", plain, folder / "sealed", env={"BACKUP_CERTIFICATE": pair.certificate, **PARTS})
    return folder / "sealed"


def test_files_come_back_from_their_parts(bucket: Bucket, pair: Pair, tmp_path: Path) -> None:
    files = {"large": os.urandom(3500), "small": b"x"}
    run("store.sh", "put", sealed(tmp_path, pair, **files), "redis", env=bucket.environment)
    run("store.sh", "get", "redis", tmp_path / "fetched", env=bucket.environment)
    run("seal.sh", "open", tmp_path / "fetched", tmp_path / "back", env={"BACKUP_KEY": pair.key})
    assert {path.name: path.read_bytes() for path in (tmp_path / "back").iterdir()} == files
    assert len([key for key in bucket.objects if "/large." in key]) == 4


def test_a_backup_that_broke_off_is_not_the_latest(bucket: Bucket, pair: Pair, tmp_path: Path) -> None:
    complete = sealed(tmp_path / "one", pair, file=b"first")
    bucket.objects |= {f"redis/20260101T000000Z/{path.name}": path.read_bytes() for path in complete.iterdir()}
    bucket.refused = "/sha256"
    second = sealed(tmp_path / "two", pair, file=b"second")
    assert "403" in run("store.sh", "put", second, "redis", env=bucket.environment, expect=1)
    bucket.refused = "none"
    run("store.sh", "get", "redis", tmp_path / "fetched", env=bucket.environment)
    run("seal.sh", "open", tmp_path / "fetched", tmp_path / "back", env={"BACKUP_KEY": pair.key})
    assert (tmp_path / "back" / "file").read_bytes() == b"first"


@pytest.mark.parametrize(("moment", "body"), [("latest", b"2"), ("20260101T000000Z", b"1")])
def test_a_backup_is_the_latest_or_that_of_a_moment(moment: str, body: bytes, bucket: Bucket, tmp_path: Path) -> None:
    for number in ("1", "2"):
        bucket.objects |= {f"redis/2026010{number}T000000Z/sha256": number.encode()}
        bucket.objects |= {"postgres/20270101T000000Z/sha256": b"another's"}
    run("store.sh", "get", "redis", tmp_path / "fetched", moment, env=bucket.environment)
    expected = {"latest": b"2", "20260101T000000Z": b"1"}[moment]
    assert (tmp_path / "fetched" / "sha256").read_bytes() == expected == body


def test_a_bucket_that_is_busy_is_asked_again(bucket: Bucket, tmp_path: Path) -> None:
    bucket.failures = 3
    run("store.sh", "put", written(tmp_path / "sealed", sha256=b"x"), "redis", env=bucket.environment)
    assert list(bucket.objects.values()) == [b"x"]


def flipped(message: bytes, at: int) -> bytes:
    return message[:at] + bytes([message[at] ^ 1]) + message[at + 1 :]


#: What of three parts somebody with the bucket's key changes, and what a restore says to it.
TAMPERED: list[tuple[Callable[[dict[str, bytes]], dict[str, bytes]], str]] = [
    (lambda parts: {"file.0001": flipped(parts["file.0001"], -100)}, "file.0001 is not what was sealed"),
    (lambda parts: {"file.0001": parts["file.0001"][:-200]}, "file.0001 is not what was sealed"),
    (lambda parts: {"file.0001": b"no message"}, "file.0001 is not what was sealed"),
    (lambda parts: {"file.0001": parts["file.0000"]}, "the files are not what was sealed"),
    (lambda parts: {"file.0002": parts["other.0002"]}, "the files are not what was sealed"),
]


@pytest.mark.parametrize(
    ("change", "says"), TAMPERED, ids=["a flipped bit", "cut off", "nonsense", "another part", "another file's part"]
)
def test_a_backup_that_changed_in_the_bucket_is_not_given_out(
    change: Callable[[dict[str, bytes]], dict[str, bytes]], says: str, pair: Pair, tmp_path: Path
) -> None:
    there = sealed(tmp_path, pair, file=os.urandom(2500), other=os.urandom(2500))
    for name, body in change({path.name: path.read_bytes() for path in there.iterdir()}).items():
        (there / name).write_bytes(body)
    said = run("seal.sh", "open", there, tmp_path / "back", env={"BACKUP_KEY": pair.key}, expect=1)
    assert says in said
    assert not (tmp_path / "back").exists()


def test_a_part_that_is_lost_is_noticed(pair: Pair, tmp_path: Path) -> None:
    there = sealed(tmp_path, pair, file=os.urandom(2500))
    (there / "file.0002").unlink()
    said = run("seal.sh", "open", there, tmp_path / "back", env={"BACKUP_KEY": pair.key}, expect=1)
    assert "the files are not what was sealed" in said


def test_what_backs_up_cannot_read_what_it_wrote(pair: Pair, tmp_path: Path) -> None:
    there = sealed(tmp_path, pair, file=b"somebody's event" * 1000)
    assert not [path for path in there.iterdir() if b"somebody" in path.read_bytes()]
    (tmp_path / "other").mkdir()
    told = {"BACKUP_KEY": made(tmp_path / "other").key}
    assert "is not what was sealed" in run("seal.sh", "open", there, tmp_path / "back", env=told, expect=1)


NOBODY = {"AWS_SECRET_ACCESS_KEY": "", "BUCKET": ""}


@pytest.mark.parametrize(
    ("script", "arguments", "changes", "says"),
    [
        ("store.sh", ("put", "x", "redis"), NOBODY, "missing: AWS_SECRET_ACCESS_KEY BUCKET"),
        ("store.sh", ("put", "x", "redis"), {"AWS_ACCESS_KEY_ID": "stranger"}, "403"),
        ("store.sh", ("get", "never", "file"), {}, "never: there is no complete backup"),
        ("store.sh", ("get", "redis", "file", "20260101T000000Z"), {}, "redis/20260101T000000Z is not complete"),
        ("store.sh", ("sideways",), {}, "usage"),
        ("seal.sh", ("seal", "empty", "sealed"), {}, "empty/file is empty: not stored"),
        ("seal.sh", ("seal", "x", "sealed"), {"BACKUP_CERTIFICATE": ""}, "BACKUP_CERTIFICATE is missing"),
        ("seal.sh", ("open", "x", "plain"), {"BACKUP_KEY": ""}, "BACKUP_KEY is missing"),
        ("seal.sh", ("sideways",), {}, "usage"),
        ("redis.sh", ("sideways",), {}, "usage"),
        ("redis.sh", ("restore", "x", "data"), {}, "there is no snapshot in x"),
    ],
)
def test_what_cannot_be_done_ends_the_job_with_a_sentence(
    script: str,
    arguments: tuple[str, ...],
    changes: dict[str, str],
    says: str,
    bucket: Bucket,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "x", file=b"x", sha256=b"x")
    written(tmp_path / "empty", file=b"")
    assert says in run(script, *arguments, env={**bucket.environment, **changes}, expect=1)


# -- Redis


def test_redis_comes_back_with_its_events_groups_and_due_retries(
    redis_url: str, bucket: Bucket, jobs: Mapping[str, Any], tmp_path: Path
) -> None:
    with closing(connect_redis(redis_url)) as client:
        channel = Channel(client, "events", 0, "one")
        channel.ensure()
        for number in range(20):
            client.xadd(keyspace.stream_key("events", 0), {"event": f'{{"id":"{number}"}}'})
        delivered = channel.read(5, 1)
        channel.settle([(delivered[0], Park(wait_ms=5_000, attempts=1, first_ms=1_000))])
        client.set("sspp:{0}:seen:acme:1", b"\x00\xffhash", ex=1000)
        client.acl_setuser(
            "backup",
            enabled=True,
            passwords=["+se cret"],
            commands=["-@all", "+sync", "+replconf"],
        )
        before = state(client)
    target = urlsplit(redis_url)
    url = f"redis://backup:{quote('se cret')}@127.0.0.1:{target.port}/0"

    home, old, new = tmp_path / "home", tmp_path / "old", tmp_path / "new"
    for folder in (old, new):
        folder.mkdir()
    valkey.prepare(home)
    told = {"REDIS_BACKUP_URL": url, "DATABASE_URL": "", **bucket.environment}
    perform(jobs["backup-redis"], {"/backup": old}, told)
    perform(jobs["restore-redis"], {"/backup": new, "/data-0": home / "valkey"}, told)

    with valkey.running(home) as restored, closing(connect_redis(restored)) as client:
        assert state(client) == before
        assert 0 < client.ttl("sspp:{0}:seen:acme:1") <= 1000
        # Another dispatcher takes over what the lost one had, and what comes after the restore is kept too.
        assert len(Channel(client, "events", 0, "two").claim(10, 0).entries) == 4
        client.xadd(keyspace.stream_key("events", 0), {"event": "{}"})
    with valkey.running(home) as restored, closing(connect_redis(restored)) as client:
        assert client.xlen(keyspace.stream_key("events", 0)) == before["depth"] + 1


def state(client: redis.Redis) -> dict[str, Any]:
    stream = keyspace.stream_key("events", 0)
    return {
        "keys": sorted(client.keys()),
        "depth": client.xlen(stream),
        "entries": client.xrange(stream),
        "group": client.xpending(stream, keyspace.GROUP)["pending"],
        "retries": client.zrange(keyspace.retry_key("events", 0), 0, -1, withscores=True),
        "parked": client.hgetall(keyspace.parked_key("events", 0)),
        "seen": client.get("sspp:{0}:seen:acme:1"),
    }


def test_what_redis_had_before_a_restore_is_moved_aside(tmp_path: Path) -> None:
    snapshot = written(tmp_path / "snapshot", **{"redis-0.rdb": b"REDIS"})
    written(tmp_path / "data" / "appendonlydir", precious=b"x")
    run("redis.sh", "restore", snapshot, tmp_path / "data", env={})
    assert next(tmp_path.rglob("precious")).parent.name.startswith("appendonlydir.before-")


def test_the_snapshot_of_one_server_is_not_made_a_clusters_nor_the_other_way_round(tmp_path: Path) -> None:
    one = written(tmp_path / "one", **{"redis-0.rdb": b"REDIS"})
    cluster = written(tmp_path / "cluster", **{"redis-0.rdb": b"REDIS", "redis-0.slots": b"0-16383"})
    data = [written(tmp_path / name / "appendonlydir", precious=b"x").parent for name in ("a", "b")]
    assert "is not a cluster's" in run("redis.sh", "restore", one, *data, env={}, expect=1)
    assert "is not one server's" in run("redis.sh", "restore", cluster, data[0], env={}, expect=1)
    assert len(list(tmp_path.glob("*/appendonlydir/precious"))) == 2


@pytest.mark.parametrize(
    ("user", "says"),
    [("nobody:wrong", "WRONGPASS"), ("reader:secret", "NOPERM")],
    ids=["wrong password", "user without the right"],
)
def test_a_dump_of_redis_that_is_refused_says_so(redis_url: str, user: str, says: str, tmp_path: Path) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.acl_setuser("reader", enabled=True, passwords=["+secret"], commands=["+get"], keys=["*"])
    url = f"redis://{user}@127.0.0.1:{urlsplit(redis_url).port}"
    said = run("redis.sh", "dump", tmp_path, env={"REDIS_BACKUP_URL": url}, expect=1)
    assert says in said
    assert "secret" not in said


# -- PostgreSQL


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with closing(Database(database_url)) as database:
        yield database


@pytest.fixture(scope="module")
def new_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An empty database on another server, whose owner is no superuser: what a managed service gives."""
    with postgres.running(tmp_path_factory.mktemp("new"), fast=True) as url, closing(connect(url)) as server:
        server.run("CREATE ROLE admin LOGIN CREATEROLE PASSWORD 'secret'")
        server.run("CREATE DATABASE defaultdb OWNER admin")
        yield f"postgresql://admin:secret@127.0.0.1:{urlsplit(url).port}/defaultdb"


def test_postgresql_comes_back_on_a_new_server(
    database: Database,
    database_url: str,
    new_server: str,
    bucket: Bucket,
    jobs: Mapping[str, Any],
    tmp_path: Path,
) -> None:
    PostgresTenants(database).put("acme-inc", "Acme")
    PostgresTenants(database).put("other", "Other")
    record(PostgresSignalStore(database), [signal(number) for number in range(50)])
    before = contents(database_url)

    old, new = tmp_path / "old", tmp_path / "new"
    for folder in (old, new):
        folder.mkdir()
    perform(jobs["backup-postgres"], {"/backup": old}, {"DATABASE_URL": database_url, **bucket.environment})
    for _ in range(2):  # a restore may be repeated
        perform(jobs["restore-postgres"], {"/backup": new}, {"DATABASE_URL": new_server, **bucket.environment})

    assert contents(new_server) == before
    assert before["signals"][0] >= 50, "their insights are signals, too"
    migrate.upgrade(new_server)  # the next rollout finds what it expects
    with closing(Database(new_server)) as restored:
        for tenant, rows in (("acme-inc", 1), ("other", 0)):
            with restored.transaction(tenant=tenant) as tx:
                assert len(tx.rows("get_signal", tenant_id="acme-inc", id=signal(1).event.id)) == rows
        # Redelivered events find their signals: the restored database goes on where it was.
        record(PostgresSignalStore(restored), [signal(1), signal(2)])
    assert contents(new_server) == before


def contents(url: str) -> dict[str, tuple[int, str]]:
    """How many rows each table has, and a digest of them all."""
    rows = "SELECT count(*), md5(coalesce(string_agg(t::text, chr(10) ORDER BY t::text), '')) FROM \"{}\" AS t"
    with closing(connect(url)) as server:
        names = server.run("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        return {name: tuple(server.run(rows.format(name))[0]) for (name,) in names}


def test_a_restore_that_fails_leaves_the_database_as_it_was(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    PostgresTenants(database).put("acme-inc", "Acme")
    before = contents(database_url)
    run("postgres.sh", "dump", tmp_path / "dump", env={"DATABASE_URL": database_url})
    with closing(connect(database_url)) as server:
        # Stands in the way half-way through: nearly everything else would be gone by then.
        server.run("CREATE VIEW somebodys AS SELECT * FROM tenants")
    run("postgres.sh", "restore", tmp_path / "dump", env={"DATABASE_URL": database_url}, expect=1)
    assert contents(database_url) == before


@pytest.mark.parametrize("escaped", [False, True], ids=["as it is", "percent-encoded"])
def test_the_authority_in_the_url_becomes_a_file_for_libpq(tmp_path: Path, escaped: bool) -> None:
    # The embedded pg_dump is built without TLS; this one tells what it was given.
    (tmp_path / "pg_dump").write_text('#!/bin/sh\necho "$2"; cat "${2##*sslrootcert=}"\n', "utf-8")
    (tmp_path / "pg_dump").chmod(0o755)
    pem = "-----BEGIN CERTIFICATE-----\n??>>~~\n-----END CERTIFICATE-----\n"
    value = "data:" + urlsafe_b64encode(pem.encode()).decode("ascii")
    url = f"postgresql://a:b@c:5432/d?sslmode=verify-ca&sslrootcert={quote(value, safe='') if escaped else value}"
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    said = run("postgres.sh", "dump", tmp_path / "out", env={"DATABASE_URL": url, "PATH": path})
    assert said.startswith("postgresql://a:b@c:5432/d?sslmode=verify-ca&sslrootcert=/")
    assert said.endswith("\n" + pem)
