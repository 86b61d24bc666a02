"""Redis as it is really run: in a cluster, or behind TLS. Its users are in test_redis_users.py."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import redis

from events import channel, cloudevent, keyspace
from events.channel import Channel
from events.deadletter import DeadLetters
from events.entry import Bury, Done, Park
from events.errors import ConfigError, Unavailable
from events.script import LUA as CHANNEL_SCRIPTS
from events.script import script
from functions.adapters.redis import LUA, partitions
from functions.adapters.redis.admission import Limits
from functions.adapters.redis.cluster import connect
from functions.adapters.redis.directory import COMPLETE
from functions.adapters.redis.keys import RedisKeyDirectory
from functions.adapters.redis.seen import SeenEvents
from functions.domain.key import REMEMBERED_S, WRITE_EVENTS, Grant, digest, new_key
from functions.domain.plan import Rate, Terms
from functions.ingest.admission import Admission, Arrival
from functions.ingest.answer import Accepted, Decision
from functions.ingest.keys import KeyCache
from functions.local import ports
from functions.service.dead_letter_event import republished, with_data
from tests.servers import redis_server
from tests.servers.lanes import waiting

NOW = datetime(2026, 5, 1, tzinfo=UTC)
#: Every script there is, by name.
SCRIPTS = {
    path.stem: script(path.stem, folder) for folder in (CHANNEL_SCRIPTS, LUA) for path in sorted(folder.glob("*.lua"))
}

#: A tenant for each of four partitions.
TENANTS = {keyspace.partition_of(name, 4): name for name in (f"tenant-{number}" for number in range(100))}
#: One event at once is fair; the next go to the slow lane.
LIMITS = Limits(
    stream_length=1000, waiting_bytes=10**9, partitions=4, window_s=60, fair=Rate(perSecond=0.001, burst=1)
)


ARRIVAL = Arrival(now=NOW)


def key_of(tenant: str) -> str:
    """Return the API key of a tenant."""
    return new_key(sha256(tenant.encode()).digest())


def publish(client: Any, *tenants: str) -> None:
    """Let each tenant in by its key."""
    directory = RedisKeyDirectory(client)
    grants = {digest(key_of(tenant)): Grant(tenant, frozenset({WRITE_EVENTS}), None) for tenant in tenants}
    directory.put(grants, {tenant: Terms() for tenant in tenants})
    directory.complete()


@asynccontextmanager
async def front_door(url: str) -> AsyncIterator[Admission]:
    """A front door that looks every key up."""
    pipe = connect(url)
    try:
        yield Admission(pipe, KeyCache(pipe, count(step=REMEMBERED_S).__next__, LIMITS.partitions), LIMITS)
    finally:
        await pipe.close()


def admit(url: str, client: Any, partition: int) -> list[Decision]:
    """Let a tenant of ``partition`` in through ``client``, and have a front door at ``url`` decide on two events."""
    publish(client, TENANTS[partition])
    return decided(url, partition)


def duplicates(decisions: Sequence[Decision]) -> list[bool]:
    """Return of each decision, all of them acceptances, whether it was about a duplicate."""
    return [decision.duplicate for decision in decisions if isinstance(decision, Accepted)]


def decided(url: str, partition: int) -> list[Decision]:
    """Have a front door at ``url`` decide on two events of a tenant of ``partition``."""

    async def asked() -> list[Decision]:
        async with front_door(url) as admission:
            messages = [cloudevent.parse(_event(number)) for number in range(2)]
            sender = await admission.sender(key_of(TENANTS[partition]), NOW)
            decisions, _ = await admission.decide(sender, messages, ARRIVAL)
            return decisions

    return asyncio.run(asked())


def _event(number: int) -> bytes:
    event = {"specversion": "1.0", "id": f"{number}", "source": "/test", "type": "demo_completed"}
    return json.dumps(event | {"data": {"accountId": "account"}}).encode()


def check_admission(url: str, operator: Any, reader: Any, partition: int) -> None:
    """Both events are taken, each in its lane; a second time they are known.

    Args:
        url: the front door's.
        operator, reader: who lets the tenant in, and who asks for an event afterwards.
    """
    answers = [admit(url, operator, partition) for _ in range(2)]
    assert list(map(duplicates, answers)) == [[False, False], [True, True]]
    assert [Channel(operator, "events", partition, "a", lane).depth() for lane in keyspace.LANES] == [1, 1]
    accepted = cloudevent.event_id(TENANTS[partition], "/test", "0")
    seen = SeenEvents(reader, LIMITS.partitions)
    at = seen.accepted_at(TENANTS[partition], UUID(accepted))
    assert at is not None
    assert abs(at - datetime.now(UTC)) < timedelta(minutes=1)
    assert seen.accepted_at("another", UUID(accepted)) is None


def carry(client: Any, partition: int, lane: str = keyspace.FAST) -> None:
    """Take one event through everything that can happen to it."""
    events, other = (Channel(client, "events", partition, name, lane) for name in ("a", "b"))
    signals = Channel(client, "signals", partition, "a", lane)
    client.xadd(keyspace.stream_key("events", partition, lane), {"event": b"1"})
    events.ensure()
    signals.ensure()
    (read,) = events.read(10, 1)
    assert events.nack([read], 60_000) == 1
    (claimed,) = other.claim(10, 60_000).entries
    assert (claimed.id, events.depth()) == (read.id, 1)
    assert other.settle([(claimed, Park(0, 1, 1))]) == 1
    (leased,) = events.lease(10, 60_000).entries
    assert events.nack([leased], 60_000) == 1
    (again,) = other.lease(10, 60_000).entries
    assert other.settle([(again, Done([("signals", b"s")]))]) == 1
    (signal,) = signals.read(10, 1)
    assert signals.settle([(signal, Bury(_event(partition), "", 0, "acme", 1, 1, 1))]) == 1
    assert (events.depth(), events.parked(), signals.depth(), events.breaker_overridden()) == (0, 0, 0, False)
    assert client.xlen(keyspace.dead_key("signals", partition)) == 1


def check_dead_letters(dispatcher: Any, desk: Any, count: int) -> None:
    """Of as many letters of :func:`carry` one is edited, it and another are redriven, and the rest are purged.

    Args:
        dispatcher, desk: who watches them, and who works on them.
    """
    watching, dead = DeadLetters(dispatcher, LIMITS.partitions), DeadLetters(desk, LIMITS.partitions)
    letters = list(dead.scan(["signals"], latest_first=True))
    assert len(letters) == count
    assert [tenant for tenant, _ in watching.recent("signals", 60)] == ["acme"] * count
    edited = with_data(letters[0], {"accountId": "another"})
    dead.edit(letters[0], edited)
    changed = dead.get(letters[0].place)
    assert changed is not None
    assert dead.redrive([changed, *letters[1:2]], lambda letter: republished(letter, "nonce")) == min(count, 2)
    assert dead.purge(list(dead.scan())) == max(0, count - 2)
    assert [watching.watch("signals", partition, 1) for partition in range(count)] == [(0, 0)] * count


def check_partitions(client: Any) -> None:
    """While something waits nobody may count other partitions."""
    partitions.settle_on(client, LIMITS.partitions)
    with pytest.raises(ConfigError):
        partitions.settle_on(client, LIMITS.partitions + 1)


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
    check_partitions(cluster)
    check_dead_letters(cluster, cluster, 4)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_whose_keys_are_in_two_slots_is_refused(cluster, name):
    keys = [keyspace.stream_key("events", 0), keyspace.stream_key("signals", 1)]
    text = SCRIPTS[name].text
    with pytest.raises(redis.RedisClusterException, match="same key slot"):
        cluster.eval(text, 2, *keys, 1)
    node = cluster.get_node_from_key(keys[0])
    with (
        redis.Redis(host=node.host, port=node.port) as one,
        pytest.raises(redis.exceptions.ClusterCrossSlotError),
    ):
        one.eval(text, 2, *keys, 1)


@pytest.mark.parametrize("partition", TENANTS)
def test_all_that_the_front_door_asks_touches_one_slot_at_a_time(cluster, redis_cluster_url, partition):
    check_admission(redis_cluster_url, cluster, cluster, partition)


def test_one_front_door_takes_events_for_every_node_and_counts_what_waits(cluster, redis_cluster_url):
    publish(cluster, *TENANTS.values())

    async def waiting() -> int:
        async with front_door(redis_cluster_url) as admission:
            assert all(await asyncio.gather(*(taken(admission, tenant, 1) for tenant in TENANTS.values())))
            await admission.ping()
            return await admission.depth()

    assert asyncio.run(waiting()) == len(TENANTS)
    homes = {cluster.get_node_from_key(keyspace.stream_key("events", partition)).name for partition in TENANTS}
    assert len(homes) == redis_server.NODES


@pytest.fixture(scope="module")
def moving_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A cluster whose slots may be moved."""
    with redis_server.cluster(redis_server.oldest(), tmp_path_factory.mktemp("moving")) as url:
        yield url


@pytest.fixture
def moving(moving_url: str) -> Iterator[Any]:
    with closing(channel.connect(moving_url)) as client:
        client.flushall()
        yield client


@dataclass
class Migration:
    """The slot of a key on its way to a node that has not got it yet."""

    client: Any
    key: str

    def __post_init__(self) -> None:
        source = self.client.get_node_from_key(self.key)
        self.slot = self.client.keyslot(self.key)
        self.source, *others = sorted(self.client.get_primaries(), key=lambda node: node.name != source.name)
        self.target, *_ = others
        self.others = others

    def begin(self) -> None:
        self._tell(self.target, "IMPORTING", self._id(self.source))
        self._tell(self.source, "MIGRATING", self._id(self.target))

    def move(self) -> None:
        if keys := self._ask(self.source, "CLUSTER GETKEYSINSLOT", self.slot, 1000):
            self._ask(self.source, "MIGRATE", self.target.host, self.target.port, "", 0, 5000, "KEYS", *keys)

    def end(self) -> None:
        self.move()  # what came in since
        for node in (*self.others, self.source):  # the target is first: somebody must have the slot
            self._tell(node, "NODE", self._id(self.target))

    def _id(self, node: Any) -> str:
        return str(self._ask(node, "CLUSTER MYID").decode())

    def _tell(self, node: Any, *words: str) -> None:
        self._ask(node, "CLUSTER SETSLOT", self.slot, *words)

    def _ask(self, node: Any, *command: Any) -> Any:
        with redis.Redis(host=node.host, port=node.port) as one:
            return one.execute_command(*command)


async def taken(admission: Admission, tenant: str, number: int) -> bool:
    """Whether the event was accepted, and not told to come again."""
    try:
        decisions, _ = await admission.decide(
            await admission.sender(key_of(tenant), NOW), [cloudevent.parse(_event(number))], ARRIVAL
        )
    except Unavailable:
        return False
    return [type(decision) for decision in decisions] == [Accepted]


def numbers_in(client: Any, partition: int) -> list[int]:
    """Which events wait in a partition."""
    return sorted(int(event["id"]) for lane in keyspace.LANES for event in waiting(client, "events", partition, lane))


@pytest.mark.parametrize(
    ("key", "during"),
    [
        (COMPLETE, True),  # its keys are looked for where they went
        (keyspace.stream_key("events", 1), False),  # an event's keys may be half here and half there
    ],
    ids=["directory", "partition"],
)
def test_while_a_slot_moves_nothing_is_lost_and_then_all_is_as_before(moving, moving_url, key, during):
    publish(moving, TENANTS[1])
    migration = Migration(moving, key)

    async def told() -> list[bool]:
        async with front_door(moving_url) as admission:
            found = [await taken(admission, TENANTS[1], 0)]
            for number, step in enumerate((migration.begin, migration.move, migration.end), start=1):
                step()
                found.append(await taken(admission, TENANTS[1], number))
            return found

    accepted = asyncio.run(told())
    assert accepted == [True, during, during, True]
    with closing(channel.connect(moving_url)) as client:
        assert numbers_in(client, 1) == [number for number, was in enumerate(accepted) if was]


def test_events_that_keep_coming_while_slots_move_are_all_there_once(moving, moving_url):
    publish(moving, TENANTS[2])
    migrations = [Migration(moving, key) for key in (keyspace.stream_key("events", 2), COMPLETE)]

    async def sent() -> int:
        async with front_door(moving_url) as admission:
            moved = asyncio.create_task(asyncio.to_thread(move))
            number = left = 0
            while left < 20:  # as many after all was moved
                while not await taken(admission, TENANTS[2], number):
                    await asyncio.sleep(0.01)
                number += 1
                left += moved.done()
            await moved
            return number

    def move() -> None:
        for migration in migrations:
            migration.begin()
            migration.move()
            migration.end()

    number = asyncio.run(asyncio.wait_for(sent(), 60))
    with closing(channel.connect(moving_url)) as client:
        assert numbers_in(client, 2) == list(range(number))


def test_a_front_door_finds_the_replica_that_took_over_from_the_only_node_it_was_told_of(tmp_path):
    with ExitStack() as stack:
        url = stack.enter_context(redis_server.cluster(redis_server.oldest(), tmp_path))
        client: Any = stack.enter_context(closing(channel.connect(url)))
        home = client.get_node_from_key(COMPLETE)
        partition = next(
            each for each in TENANTS if client.get_node_from_key(keyspace.stream_key("events", each)) == home
        )
        tenant = TENANTS[partition]
        publish(client, tenant)
        stack.enter_context(redis_server.replica(redis_server.oldest(), tmp_path / "replica", client, home))

        async def told() -> None:
            async with front_door(f"redis://{home.name}/0?cluster=true") as admission:
                assert await taken(admission, tenant, 0)
                with redis.Redis(host=home.host, port=home.port) as lost:
                    assert lost.wait(1, 5000) == 1
                    lost.shutdown(nosave=True, now=True)
                assert not await taken(admission, tenant, 1)
                while not await taken(admission, tenant, 1):
                    await asyncio.sleep(0.05)

        asyncio.run(asyncio.wait_for(told(), 60))
        other = next(node for node in client.get_primaries() if node != home)
        with closing(channel.connect(f"redis://{other.name}/0?cluster=true")) as again:
            assert numbers_in(again, partition) == [0, 1]


def test_the_deployed_users_need_only_to_see_the_slots_beside_what_they_may_without_a_cluster(
    cluster, redis_cluster_url, tmp_path
):
    names = ("ingest", "dispatcher", "api", "operator")
    with ExitStack() as stack:
        for rules in redis_server.user_rules(tmp_path):
            if rules[0] in names:
                allowed = (*rules, "+cluster|slots")
                cluster.execute_command("ACL", "SETUSER", *allowed, target_nodes=cluster.ALL_NODES)
                stack.callback(cluster.execute_command, "ACL", "DELUSER", rules[0], target_nodes=cluster.ALL_NODES)
        urls = {name: redis_cluster_url.replace("redis://", f"redis://{name}:{name}@") for name in names}
        of = {name: stack.enter_context(closing(channel.connect(url))) for name, url in urls.items()}
        carry(of["dispatcher"], 1)
        check_dead_letters(of["dispatcher"], of["api"], 1)
        check_admission(urls["ingest"], of["operator"], of["api"], 0)


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


def test_the_front_door_works_over_tls_with_the_machines_trust(tls_url, authority, monkeypatch):
    with closing(channel.connect(tls_url)) as client:
        client.flushall()
        with pytest.raises(Unavailable):
            admit(tls_url.partition("?")[0], client, 1)
        monkeypatch.setenv("SSL_CERT_FILE", str(authority / "ca.pem"))
        check_admission(tls_url, client, client, 1)
