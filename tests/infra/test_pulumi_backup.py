"""A restore, rehearsed: the very commands of the CronJobs, against real servers, through a bucket and back.

Not rehearsed here: the images they run in, Kubernetes' part of it, and Linode's bucket (S3's PUT and GET are served
by pulumi_bucket.py, the signature is checked against Amazon's own example).
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
import re
import subprocess
import sys
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import pytest
import redis

from events import keyspace
from events.channel import Channel, Park
from events.channel import connect as connect_redis
from functions.adapters.postgres import migrate
from functions.adapters.postgres.database import Database, connect
from functions.adapters.postgres.signal_store import PostgresSignalStore
from functions.adapters.postgres.tenants import PostgresTenants
from functions.local import postgres, valkey
from tests.infra import pulumi_bucket, pulumi_program
from tests.infra.pulumi_bucket import Bucket
from tests.integration.test_signal_store import signal

SCRIPTS = Path(__file__).parents[2] / "pulumi" / "backup"
POSTGRES_BIN = Path(postgres._program("pg_dump")).parent


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """A key pair, made as docs/deploy.md says."""
    return made(tmp_path_factory.mktemp("pair"))


class Pair(NamedTuple):
    certificate: str
    key: str


def made(folder: Path) -> Pair:
    page = (SCRIPTS.parents[1] / "docs" / "deploy.md").read_text("utf-8")
    [command] = re.findall(r"^ +(openssl req -x509 .*backup\.crt)$", page, re.MULTILINE)
    subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    return Pair(*((folder / name).read_text("ascii") for name in ("backup.crt", "backup.key")))


@pytest.fixture
def bucket(pair: Pair) -> Iterator[Bucket]:
    with pulumi_bucket.running(*pair) as bucket:
        yield bucket


@pytest.fixture(scope="module")
def store() -> ModuleType:
    return loaded("store")


def loaded(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"backup_{name}", SCRIPTS / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(script: str, *arguments: object, told: dict[str, str], expect: int = 0) -> str:
    """Run a script as its container does, with nothing of our environment but the path; gives what it said."""
    program = [sys.executable, "-I"] if script.endswith(".py") else ["sh"]
    path = f"{POSTGRES_BIN}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [*program, SCRIPTS / script, *map(str, arguments)],
        env={"PATH": path, **told},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def jobs() -> dict[str, Mapping[str, Any]]:
    """The pods of the CronJobs, as prod has them."""
    with pulumi_program.on_path():
        backups, config = importlib.import_module("backups"), importlib.import_module("config")
    told = {key.partition(":")[2]: value for key, value in pulumi_program.configuration("prod").items()}
    written = backups.cron_jobs(config.parse({**told, "name": "prod"}))
    return {job["metadata"]["name"]: job["spec"]["jobTemplate"]["spec"]["template"]["spec"] for job in written}


def perform(pod: Mapping[str, Any], volumes: Mapping[str, Path], told: Mapping[str, str]) -> None:
    """Run a pod's containers one after the other: their commands and what they are told, but not their images.

    Args:
        volumes: mount path -> the folder that stands for it.
        told: what all the Secrets hold; a container gets what it asks for.
    """
    for container in [*pod["initContainers"], *pod["containers"]]:
        mounts = [mount["mountPath"] for mount in container["volumeMounts"] if mount["mountPath"] != "/scripts"]
        _, script, *words = [word for word in container["command"] if word != "-I"]
        for mount in mounts:
            words = [re.sub(rf"^{mount}(?=/|$)", str(volumes[mount]), word) for word in words]
        for name, value in ((entry["name"], entry.get("value")) for entry in container["env"]):
            words = [word.replace(f"$({name})", str(value)) for word in words]
        asked = {entry["name"] for entry in container["env"] if "valueFrom" in entry}
        run(Path(script).name, *words, told={key: value for key, value in told.items() if key in asked})


# -- the bucket


def test_requests_are_signed_as_amazons_own_example_says(store: ModuleType) -> None:
    # "Example: GET Object" of the Amazon S3 API reference, Signature Calculations for the Authorization Header.
    names, signed = store.signature(
        "GET",
        "/test.txt",
        {
            "host": "examplebucket.s3.amazonaws.com",
            "range": "bytes=0-9",
            "x-amz-content-sha256": hashlib.sha256(b"").hexdigest(),
            "x-amz-date": "20130524T000000Z",
        },
        "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "us-east-1",
    )
    assert names == "host;range;x-amz-content-sha256;x-amz-date"
    assert signed == "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"


def test_a_large_file_comes_back_from_its_parts(
    store: ModuleType, bucket: Bucket, pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "PART_BYTES", 1000)
    sent, got = tmp_path / "sent", tmp_path / "got"
    sent.write_bytes(os.urandom(3500))
    there = store.Bucket(bucket.environment)
    store.put(there, sent, "postgres", "20260101T000000Z", pair.certificate)
    store.get(there, "postgres", got, pair.key)
    assert got.read_bytes() == sent.read_bytes()
    assert len([key for key in bucket.objects if key[-3:].isdigit()]) == 4


def test_a_backup_that_broke_off_is_not_the_latest(
    store: ModuleType, bucket: Bucket, pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "ATTEMPTS", 1)
    file, got = tmp_path / "file", tmp_path / "got"
    there = store.Bucket(bucket.environment)
    file.write_bytes(b"first")
    store.put(there, file, "redis", "1", pair.certificate)
    file.write_bytes(b"second")
    bucket.refused = "/manifest.json"
    with pytest.raises(store.StoreError, match="503"):
        store.put(there, file, "redis", "2", pair.certificate)
    bucket.refused = "none"
    store.get(there, "redis", got, pair.key)
    assert got.read_bytes() == b"first"


def test_a_bucket_that_is_busy_is_asked_again(
    store: ModuleType, bucket: Bucket, pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store.time, "sleep", lambda seconds: None)
    (tmp_path / "file").write_bytes(b"x")
    bucket.failures = 4
    store.put(store.Bucket(bucket.environment), tmp_path / "file", "redis", "1", pair.certificate)
    assert bucket.objects["redis/latest"] == b"1"


def flipped(message: bytes, at: int) -> bytes:
    return message[:at] + bytes([message[at] ^ 1]) + message[at + 1 :]


#: What of three parts somebody with the bucket's key changes, and what a restore says to it.
TAMPERED: list[tuple[Callable[[dict[str, bytes]], dict[str, bytes]], str]] = [
    (lambda parts: {"redis/1/001": flipped(parts["redis/1/001"], -100)}, "openssl -decrypt"),
    (lambda parts: {"redis/1/001": parts["redis/1/001"][:-200]}, "openssl -decrypt"),
    (lambda parts: {"redis/1/001": b"no message"}, "openssl -decrypt"),
    (lambda parts: {"redis/1/001": parts["redis/1/000"]}, "SHA-256 differs"),
    (lambda parts: {"redis/1/002": parts["redis/2/002"]}, "SHA-256 differs"),
]


@pytest.mark.parametrize(
    ("change", "says"), TAMPERED, ids=["a flipped bit", "cut off", "nonsense", "another part", "another backup's part"]
)
def test_a_backup_that_changed_in_the_bucket_is_not_given_out(
    change: Callable[[dict[str, bytes]], dict[str, bytes]],
    says: str,
    store: ModuleType,
    bucket: Bucket,
    pair: Pair,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(store, "PART_BYTES", 1000)
    there = store.Bucket(bucket.environment)
    for moment in ("2", "1"):
        (tmp_path / "file").write_bytes(os.urandom(2500))
        store.put(there, tmp_path / "file", "redis", moment, pair.certificate)
    bucket.objects |= change(bucket.objects)
    with pytest.raises(store.StoreError, match=says):
        store.get(there, "redis", tmp_path / "got", pair.key)
    assert not (tmp_path / "got").exists()


def test_what_backs_up_cannot_read_what_it_wrote(
    store: ModuleType, bucket: Bucket, pair: Pair, tmp_path: Path
) -> None:
    there = store.Bucket(bucket.environment)
    (tmp_path / "file").write_bytes(b"somebody's event" * 1000)
    store.put(there, tmp_path / "file", "redis", "1", pair.certificate)
    assert not [key for key, body in bucket.objects.items() if b"somebody" in body]
    (tmp_path / "other").mkdir()
    with pytest.raises(store.StoreError, match="openssl -decrypt"):
        store.get(there, "redis", tmp_path / "got", made(tmp_path / "other").key)


def test_a_bucket_with_a_lock_is_made_with_it_from_the_beginning(bucket: Bucket) -> None:
    assert "stays for 30 days" in run("store.py", "lock", 30, told=bucket.environment)
    (made, locked, _), (query, _, lock), (lifecycle, _, rules) = bucket.settings
    assert (made, locked) == ("", "true")
    assert query == "object-lock="
    assert "<Mode>COMPLIANCE</Mode><Days>30</Days>" in lock
    assert lifecycle == "lifecycle="
    assert "<NoncurrentDays>30</NoncurrentDays>" in rules


@pytest.mark.parametrize(
    ("arguments", "told", "says"),
    [
        (("lock", "1"), {}, "missing: AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY"),
        (("put", os.devnull, "redis"), None, "is empty"),
        (("get", "never", "file"), None, "404"),
        (("put", "file", "redis"), {"AWS_ENDPOINT_URL": "x"}, "missing: BACKUP_CERTIFICATE"),
        (("get", "redis", "file"), {"AWS_ENDPOINT_URL": "x"}, "missing: BACKUP_KEY"),
        (("sideways",), None, "usage"),
    ],
)
def test_what_cannot_be_done_ends_the_job_with_a_sentence(
    arguments: tuple[str, ...], told: dict[str, str] | None, says: str, bucket: Bucket
) -> None:
    said = run("store.py", *arguments, told=bucket.environment if told is None else told, expect=1)
    assert says in said
    assert "Traceback" not in said


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
    perform(jobs["restore-redis"], {"/backup": new, "/data": home / "valkey"}, told)

    with valkey.running(home) as restored, closing(connect_redis(restored)) as client:
        assert state(client) == before
        assert 0 < client.ttl("sspp:{0}:seen:acme:1") <= 1000
        # Another dispatcher takes over what the lost one had, and what comes after the restore is kept too.
        assert len(Channel(client, "events", 0, "two").claim(10, 0).entries) == 4
        client.xadd(keyspace.stream_key("events", 0), {"event": "{}"})
    with valkey.running(home) as restored, closing(connect_redis(restored)) as client:
        assert client.xlen(keyspace.stream_key("events", 0)) == before["depth"] + 1


def state(client: redis.Redis) -> dict[str, object]:
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
    (tmp_path / "snapshot").write_bytes(b"REDIS")
    (tmp_path / "data" / "appendonlydir").mkdir(parents=True)
    (tmp_path / "data" / "appendonlydir" / "precious").touch()
    run("restore_redis.py", tmp_path / "snapshot", tmp_path / "data", told={})
    assert next(tmp_path.rglob("precious")).parent.name.startswith("appendonlydir.before-")


@pytest.mark.parametrize(
    ("user", "says"),
    [("nobody:wrong", "WRONGPASS"), ("reader:secret", "NOPERM")],
    ids=["wrong password", "user without the right"],
)
def test_a_dump_of_redis_that_is_refused_says_so(redis_url: str, user: str, says: str, tmp_path: Path) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.acl_setuser("reader", enabled=True, passwords=["+secret"], commands=["+get"], keys=["*"])
    said = run(
        "dump_redis.py",
        tmp_path / "file",
        told={"REDIS_BACKUP_URL": f"redis://{user}@127.0.0.1:{urlsplit(redis_url).port}"},
        expect=1,
    )
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
    PostgresSignalStore(database).record([signal(number) for number in range(50)])
    before = contents(database_url)

    old, new = tmp_path / "old", tmp_path / "new"
    for folder in (old, new):
        folder.mkdir()
    perform(jobs["backup-postgres"], {"/backup": old}, {"DATABASE_URL": database_url, **bucket.environment})
    for _ in range(2):  # a restore may be repeated
        perform(jobs["restore-postgres"], {"/backup": new}, {"DATABASE_URL": new_server, **bucket.environment})

    assert contents(new_server) == before
    assert before["signals"][0] == 50
    migrate.upgrade(new_server)  # the next rollout finds what it expects
    with closing(Database(new_server)) as restored:
        with restored.transaction(tenant="other") as tx:
            assert tx.rows("get_account", tenant_id="acme-inc", account_id="acme") == []
        # Redelivered events find their signals: the restored database goes on where it was.
        PostgresSignalStore(restored).record([signal(1), signal(2)])
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
    run("postgres.sh", "dump", tmp_path / "dump", told={"DATABASE_URL": database_url})
    with closing(connect(database_url)) as server:
        # Stands in the way half-way through: nearly everything else would be gone by then.
        server.run("CREATE VIEW somebodys AS SELECT * FROM tenants")
    run("postgres.sh", "restore", tmp_path / "dump", told={"DATABASE_URL": database_url}, expect=1)
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
    said = run("postgres.sh", "dump", tmp_path / "out", told={"DATABASE_URL": url, "PATH": path})
    assert said.startswith("postgresql://a:b@c:5432/d?sslmode=verify-ca&sslrootcert=/")
    assert said.endswith("\n" + pem)
