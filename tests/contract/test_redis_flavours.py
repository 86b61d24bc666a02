"""Redis as it is really run: in a cluster, behind TLS, with a user of its own for each part."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import redis

from events import channel, keyspace
from events.channel import Bury, Channel, Done, Park
from events.errors import Unavailable
from events.subscription import SUBSCRIPTIONS
from functions.adapters.redis.directory import COMPLETE, key_of, terms_of
from functions.adapters.redis.keys import RedisKeyDirectory
from functions.adapters.redis.pipe import RedisPipe
from functions.adapters.redis.seen import SeenEvents
from functions.domain.key import Grant
from functions.domain.plan import Terms
from functions.local import ports
from tests.scale import deployed, keda
from tests.servers import redis_server

NOW = datetime(2026, 5, 1, tzinfo=UTC)
EVENT_ID = "5f0f1c1e-0000-5000-8000-000000000001"
SCRIPTS = sorted(path.stem for path in (Path(keyspace.__file__).parent / "lua").glob("*.lua"))


def admit_keys(partition: int, lane: str = keyspace.FAST) -> list[str]:
    """What the front door's script is given for one event."""
    return [
        keyspace.stream_key("events", partition, lane),
        keyspace.count_key("acme", partition, NOW),
        keyspace.rate_key("acme", partition),
        keyspace.rate_key("acme:0123456789abcdef", partition),
        keyspace.seen_key("acme", EVENT_ID, partition),
    ]


#: The longest the stream may get, the window, no hard limit, how long counts are kept, two rates; one event.
ADMIT = (1000, 60, -1, 60, 1000, 10, 1000, 10, "hash", "event")


def admit(client: Any, partition: int, lane: str = keyspace.FAST) -> bytes:
    """Let the front door's script decide on one event."""
    keys = admit_keys(partition, lane)
    answer: bytes = client.eval(keyspace.script("admit").text, len(keys), *keys, *ADMIT)[0]
    return answer


def carry(client: Any, partition: int, lane: str = keyspace.FAST) -> None:
    """Take one event through everything that can happen to it."""
    events, other = (Channel(client, "events", partition, name, lane) for name in ("a", "b"))
    signals = Channel(client, "signals", partition, "a", lane)
    events.ensure()
    signals.ensure()
    assert [admit(client, partition, lane), admit(client, partition, lane)] == [b"stored", b"duplicate"]
    (read,) = events.read(10, 1)
    assert events.release([read], 60_000) == 1
    (claimed,) = other.claim(10, 60_000).entries
    assert (claimed.id, events.depth()) == (read.id, 1)
    assert other.settle([(claimed, Park(0, 1, 1))]) == 1
    (leased,) = events.lease(10, 60_000).entries
    assert events.release([leased], 60_000) == 1
    (again,) = other.lease(10, 60_000).entries
    assert other.settle([(again, Done([("signals", b"s")]))]) == 1
    (signal,) = signals.read(10, 1)
    assert signals.settle([(signal, Bury(signal.event, "", 0, "acme", 1, 1, 1))]) == 1
    assert (events.depth(), events.parked(), signals.depth(), events.buries_all()) == (0, 0, 0, False)
    assert client.xlen(keyspace.dead_key("signals", partition)) == 1


# --- a cluster


@pytest.fixture
def cluster(redis_cluster_url: str) -> Iterator[Any]:
    with closing(channel.connect(redis_cluster_url)) as client:
        client.flushall()
        yield client


@pytest.mark.parametrize("lane", keyspace.LANES)
def test_partitions_are_carried_on_whichever_node_they_live(cluster, lane):
    nodes = set()
    for partition in range(4):
        carry(cluster, partition, lane)
        nodes.add(cluster.get_node_from_key(keyspace.stream_key("events", partition)).name)
    assert len(nodes) == redis_server.NODES


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_whose_keys_are_in_two_slots_is_refused(cluster, name):
    keys = [keyspace.stream_key("events", 0), keyspace.stream_key("signals", 1)]
    text = keyspace.script(name).text
    with pytest.raises(redis.RedisClusterException, match="same key slot"):
        cluster.eval(text, 2, *keys, 1)
    node = cluster.get_node_from_key(keys[0])
    with (
        redis.Redis(host=node.host, port=node.port) as one,
        pytest.raises(redis.exceptions.ClusterCrossSlotError),
    ):
        one.eval(text, 2, *keys, 1)


def test_every_key_of_a_request_is_in_one_slot(cluster):
    directory = [key_of("digest"), terms_of("acme"), COMPLETE]
    for keys in (admit_keys(5), directory):
        assert len({cluster.keyslot(key) for key in keys}) == 1


def test_a_cluster_that_is_away_is_unavailable():
    with pytest.raises(Unavailable):
        channel.connect(f"redis://127.0.0.1:{ports.free(1)[0]}/0?cluster=true")


def test_a_url_may_have_other_options_beside_that_of_the_cluster(redis_cluster_url):
    with closing(channel.connect(f"{redis_cluster_url}&client_name=me")) as client:
        assert client.get_connection_kwargs()["client_name"] == "me"


# --- TLS


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a CA and a certificate for 127.0.0.1: ca.pem, server.pem, server.key."""
    if shutil.which("openssl") is None:
        reason = "openssl is not installed"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    folder = tmp_path_factory.mktemp("authority")
    new_key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    for command in (
        f"req -x509 {new_key} -keyout ca.key -out ca.pem -subj /CN=ours",
        f"req -x509 {new_key} -keyout server.key -out server.pem -subj /CN=redis -CA ca.pem -CAkey ca.key"
        " -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE",
    ):
        subprocess.run(["openssl", *command.split()], cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def tls_url(authority: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that speaks nothing but TLS. Its URL says which CA to trust."""
    port = ports.free(1)[0]
    options = {
        "port": "0",
        "tls-port": str(port),
        "tls-cert-file": str(authority / "server.pem"),
        "tls-key-file": str(authority / "server.key"),
        "tls-ca-cert-file": str(authority / "ca.pem"),
        "tls-auth-clients": "no",
        "requirepass": "secret",
    }
    url = f"rediss://:secret@127.0.0.1:{port}/0?ssl_ca_certs={authority / 'ca.pem'}"
    with redis_server.running("redis", tmp_path_factory.mktemp("tls"), options, url=url) as running:
        yield running


def test_the_channel_works_over_tls(tls_url):
    with closing(channel.connect(tls_url)) as client:
        client.flushall()
        carry(client, 0)


@pytest.mark.parametrize(
    "change",
    [
        lambda url: url.partition("?")[0],  # nobody said whom to trust
        lambda url: url.replace("rediss://", "redis://").partition("?")[0],
        lambda url: url.replace("127.0.0.1", "localhost"),  # not the name in the certificate
    ],
    ids=["unknown CA", "no TLS", "other name"],
)
def test_a_server_that_is_not_who_it_should_be_is_unavailable(tls_url, change):
    with closing(channel.connect(change(tls_url))) as client, pytest.raises(Unavailable):
        Channel(client, "events", 0, "a").ping()


def ask(url: str, *command: str | int) -> Any:
    """Ask by the front door's own client."""

    async def asked() -> Any:
        pipe = RedisPipe(url)
        try:
            return await pipe.execute(*command)
        finally:
            await pipe.close()

    return asyncio.run(asked())


def test_the_front_door_works_over_tls_with_the_machines_trust(tls_url, authority, monkeypatch):
    keys = admit_keys(1)
    with pytest.raises(Unavailable):
        ask(tls_url.partition("?")[0], "PING")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority / "ca.pem"))
    answer = ask(tls_url, "EVAL", keyspace.script("admit").text, len(keys), *keys, *ADMIT)
    assert answer[0] in {b"stored", b"duplicate"}


# --- users


#: Each user with no more than it needs, as it is deployed.
USERS = """
user default off
user app on >app resetchannels ~sspp:* -@all +@read +@write +@connection +@transaction +eval +evalsha \
+script|load +time -@dangerous -@admin -function
user keda on >keda resetchannels ~sspp:*:stream ~sspp:*:retry -@all +ping +hello +auth +client|setinfo \
+client|setname +xlen +eval +type +zcard +llen
user exporter on >exporter resetchannels ~sspp:*:stream ~sspp:*:retry ~sspp:*:dead -@all +ping +hello +auth \
+client|setinfo +client|setname +info +slowlog|get +slowlog|len +latency|latest +latency|histogram +type +xlen +zcard
"""

STREAM, RETRY = keyspace.stream_key("events", 0), keyspace.retry_key("events", 0)
PARKED, SEEN = keyspace.parked_key("events", 0), keyspace.seen_key("acme", EVENT_ID, 0)


@pytest.fixture(scope="module", params=redis_server.SERVERS)
def users(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """A server with those users; gives the URL of one."""
    folder = tmp_path_factory.mktemp("users")
    text = USERS if request.param != "redis" else USERS.replace(" +client|setinfo", "")  # which came with 7.2
    (folder / "users.acl").write_text(text.lstrip(), "utf-8")
    with redis_server.running(request.param, folder, {"aclfile": str(folder / "users.acl")}) as url:
        yield lambda user: url.replace("redis://", f"redis://{user}:{user}@")


@pytest.fixture
def as_user(users: Callable[[str], str]) -> Iterator[Callable[[str], Any]]:
    """Connect as a user."""
    clients: dict[str, Any] = {}
    yield lambda user: clients.setdefault(user, channel.connect(users(user)))
    for client in clients.values():
        client.close()


def test_nobody_gets_in_without_a_name(users):
    url = users("app")
    for anonymous in (url.replace("app:app@", ""), url.replace("app:app@", ":app@"), url.replace(":app@", ":no@")):
        with closing(channel.connect(anonymous)) as client, pytest.raises(Unavailable):
            Channel(client, "events", 0, "a").ping()


def test_our_own_user_can_do_all_we_do(users, as_user):
    client = as_user("app")
    for key in client.scan_iter("sspp:*"):
        client.delete(key)
    for partition, lane in enumerate(keyspace.LANES):
        carry(client, partition, lane)
    directory = RedisKeyDirectory(client)
    directory.put({"digest": Grant("acme", frozenset({"events:write"}), None)}, {"acme": Terms()})
    directory.complete()
    assert ask(users("app"), "MGET", key_of("digest"), COMPLETE)[1] == b"1"
    directory.remove(["digest"])
    keys = admit_keys(7)
    assert ask(users("app"), "EVAL", keyspace.script("admit").text, len(keys), *keys, *ADMIT)
    assert ask(users("app"), "EVALSHA", keyspace.script("admit").sha, len(keys), *keys, *ADMIT)
    assert SeenEvents(client, 1).accepted("acme", UUID(EVENT_ID))


def test_kedas_user_reads_every_trigger(as_user):
    for name in SUBSCRIPTIONS:
        readings = [keda.read(as_user("keda"), trigger) for trigger in deployed.triggers(name)]
        assert None not in [reading.value for reading in readings]


ALLOWED: Mapping[str, Sequence[Sequence[Any]]] = {
    "app": [("PING",), ("GET", "sspp:x"), ("SET", "sspp:x", 1), ("DEL", "sspp:x")],
    "keda": [("PING",), ("CLIENT", "SETNAME", "keda"), ("XLEN", STREAM), ("TYPE", RETRY), ("ZCARD", RETRY)],
    "exporter": [("PING",), ("INFO",), ("XLEN", STREAM), ("ZCARD", RETRY), ("TYPE", STREAM), ("SLOWLOG", "GET")],
}
_LOOK = "return redis.call(ARGV[1], KEYS[1], '-', '+')"
#: What nobody may.
_NEVER: Sequence[Sequence[Any]] = [
    ("FLUSHALL",),
    ("FLUSHDB",),
    ("KEYS", "*"),
    ("CONFIG", "GET", "*"),
    ("CONFIG", "SET", "appendonly", "no"),
    ("ACL", "LIST"),
    ("ACL", "SETUSER", "me"),
    ("SHUTDOWN", "NOSAVE"),
    ("REPLICAOF", "NO", "ONE"),
    ("MONITOR",),
    ("SAVE",),
    ("BGREWRITEAOF",),
    ("SWAPDB", 0, 1),
    ("CLIENT", "KILL", "ID", 1),
    ("CLIENT", "LIST"),
    ("SCRIPT", "FLUSH"),
    ("FUNCTION", "FLUSH"),
    ("MODULE", "LIST"),
    ("PUBLISH", "channel", "x"),
    ("GET", "another:key"),
]
#: What those that only look may not.
_LOOKING: Sequence[Sequence[Any]] = [
    ("XRANGE", STREAM, "-", "+"),
    ("XADD", STREAM, "*", "event", "x"),
    ("XTRIM", STREAM, "MAXLEN", 0),
    ("XREADGROUP", "GROUP", keyspace.GROUP, "me", "STREAMS", STREAM, ">"),
    ("XGROUP", "DESTROY", STREAM, keyspace.GROUP),
    ("ZADD", RETRY, 1, "x"),
    ("ZRANGE", RETRY, 0, -1),
    ("HGETALL", PARKED),
    ("GET", SEEN),
    ("GET", COMPLETE),
    ("DEL", STREAM),
    ("XLEN", PARKED),
    ("EVAL", _LOOK, 1, STREAM, "XRANGE"),
    ("EVAL", "return redis.call('XLEN', KEYS[1])", 1, PARKED),
]
REFUSED: Mapping[str, Sequence[Sequence[Any]]] = {
    "app": [
        *_NEVER,
        ("INFO",),
        ("SET", "another:key", 1),
        ("EVAL", "return redis.call('SET', KEYS[1], 1)", 1, "another:key"),
        ("EVAL", "return redis.call('FLUSHALL')", 0),
    ],
    "keda": [*_NEVER, *_LOOKING, ("INFO",), ("XLEN", keyspace.dead_key("events", 0))],
    "exporter": [*_NEVER, *_LOOKING, ("SLOWLOG", "RESET"), ("LATENCY", "RESET")],
}


def cases(table: Mapping[str, Sequence[Sequence[Any]]]) -> list[Any]:
    return [
        pytest.param(user, command, id=f"{user} {' '.join(map(str, command))[:60]}")
        for user, commands in table.items()
        for command in commands
    ]


@pytest.mark.parametrize(("user", "command"), cases(ALLOWED))
def test_a_user_may(as_user, user, command):
    as_user(user).execute_command(*command)


@pytest.mark.parametrize(("user", "command"), cases(REFUSED))
def test_a_user_may_not(as_user, user, command):
    with pytest.raises(redis.ResponseError) as refused:
        as_user(user).execute_command(*command)
    in_a_script = ("ACL failure in script", "The user executing the script can't")  # as Valkey and Redis 7.0 say it
    assert isinstance(refused.value, redis.exceptions.NoPermissionError) or str(refused.value).startswith(in_a_script)
