"""The component redis-cluster: rendered, and its files run as a cluster of six that loses a primary under load."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis

from events import channel, cloudevent, keyspace
from events.channel import Channel
from events.entry import Done, Park
from events.errors import Unavailable
from functions.adapters.redis.admission import Limits
from functions.adapters.redis.cluster import connect
from functions.adapters.redis.keys import RedisKeyDirectory
from functions.domain.key import REMEMBERED_S, WRITE_EVENTS, Grant, digest, new_key
from functions.domain.plan import Rate, Terms
from functions.ingest.admission import Admission, Arrival
from functions.ingest.answer import Accepted
from functions.ingest.keys import KeyCache
from functions.local import ports, process
from tests.infra import admission, pulumi_bucket, pulumi_jobs, rules, schemas
from tests.infra.manifests import ROOT, folder_objects, kustomized, kustomized_by_the_oldest, settings_map
from tests.infra.rules import delivery
from tests.servers import redis_cluster, redis_server
from tests.servers.parts import until
from tests.servers.redis_cluster import Cluster

OVERLAYS = {stack: ROOT / "knative" / "overlays" / f"{stack}-redis-cluster" for stack in ("staging", "prod")}
FOLDER = OVERLAYS["prod"]
every_overlay = pytest.mark.parametrize("folder", OVERLAYS.values(), ids=OVERLAYS)
PARTITIONS = int(settings_map(folder_objects(FOLDER))["SSPP_PARTITIONS"])
TENANTS = {keyspace.partition_of(name, PARTITIONS): name for name in (f"tenant-{number}" for number in range(500))}
LIMITS = Limits(
    stream_length=100_000, waiting_bytes=10**9, partitions=PARTITIONS, window_s=3600, fair=Rate(perSecond=1, burst=5)
)
NO_COPY = "0 of 1 replicas have what was written"
NOW = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def files() -> Mapping[str, str]:
    """The ConfigMap of the nodes."""
    found: Mapping[str, str]
    [found] = [each["data"] for each in folder_objects(FOLDER) if "cluster.conf" in each.get("data", {})]
    return found


@pytest.fixture(scope="module")
def started(files: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with redis_cluster.running(Cluster(files, tmp_path_factory.mktemp("cluster"))) as cluster:
        yield cluster


@pytest.fixture
def cluster(started: Cluster) -> Cluster:
    until(started.complete, within_s=60, what="the cluster is whole")
    return started


def key_of(tenant: str) -> str:
    return new_key(sha256(tenant.encode()).digest())


def let_in(url: str) -> None:
    with closing(channel.connect(url)) as client:
        directory = RedisKeyDirectory(client)
        grants = {
            digest(key_of(tenant)): Grant(tenant, frozenset({WRITE_EVENTS}), None) for tenant in TENANTS.values()
        }
        directory.put(grants, {tenant: Terms() for tenant in TENANTS.values()})
        directory.complete()


class Door:
    """A front door that waits for a replica, and what it said of each event."""

    #: Why the last event was not accepted, where an operator is told.
    why = ""

    def __init__(self, url: str) -> None:
        self._pipe = connect(url)
        self._admission = Admission(
            self._pipe, KeyCache(self._pipe, count(step=REMEMBERED_S).__next__, PARTITIONS), LIMITS
        )

    async def send(self, tenant: str, number: int) -> bool:
        """Whether an event was accepted, and not told to come again."""
        event = {"specversion": "1.0", "id": f"{number}", "source": "/test", "type": "demo_completed"}
        message = cloudevent.parse(json.dumps(event | {"data": {"accountId": "account"}}).encode())
        self.why = ""
        try:
            sender = await self._admission.sender(key_of(tenant), NOW)
            [decision], _ = await self._admission.decide(sender, [message], Arrival(now=NOW))
        except Unavailable as exc:
            self.why = exc.reason
            return False
        return isinstance(decision, Accepted)

    async def close(self) -> None:
        await self._pipe.close()


def waiting(cluster: Cluster, partition: int) -> list[int]:
    """The numbers of the events that dispatchers are given of a partition, which they settle."""
    found: list[int] = []
    with closing(channel.connect(cluster.url("dispatcher"))) as client:
        for lane in keyspace.LANES:
            one = Channel(client, "events", partition, "a", lane)
            one.ensure()
            while entries := one.read(500, 0):
                found += [int(json.loads(entry.event)["id"]) for entry in entries]
                one.settle([(entry, Done([])) for entry in entries])
    return found


def home(cluster: Cluster, partition: int) -> int:
    """The node that has a partition."""
    client: Any
    with closing(channel.connect(cluster.url("dispatcher"))) as client:
        node = client.get_node_from_key(keyspace.stream_key("events", partition))
        return cluster.ports.index(node.port)


@every_overlay
def test_the_overlay_renders_the_same_with_the_oldest_kubectl_and_without_a_placeholder(folder):
    assert kustomized_by_the_oldest(folder) == kustomized(folder)
    assert "NAMESPACE" not in kustomized(folder)


@every_overlay
def test_every_object_is_what_kubernetes_knative_keda_and_our_rules_take(folder):
    found = folder_objects(folder)
    assert [fault for each in found if (fault := schemas.fault(each))] == []
    assert [fault for rule in (*admission.RULES, *rules.RULES) for fault in rule(found)] == []


def test_a_partition_that_no_trigger_watches_is_found():
    found = folder_objects(FOLDER)
    for each in found:
        if each["kind"] == "ScaledObject":
            del each["spec"]["triggers"][-1]
    faults = list(delivery.dispatchers_match_subscriptions(found))
    assert len(faults) == 3
    assert "dispatcher-events: no trigger of type redis-cluster watches sspp:{11}:events:slow:fair" in faults[0]


def test_the_triggers_are_what_their_program_writes(tmp_path):
    program = [sys.executable, "knative/triggers.py", str(PARTITIONS), str(tmp_path)]
    subprocess.run(program, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True, timeout=60)
    written = {path.name: path.read_text("utf-8") for path in tmp_path.iterdir()}
    component = ROOT / "knative" / "components" / "redis-cluster"
    assert written == {path.name: path.read_text("utf-8") for path in component.glob("triggers-*.yaml")}
    assert len(written) == 3


def test_the_nodes_find_each_other_and_every_primary_has_a_copy_of_its_own(cluster):
    assert Counter(cluster.roles().values()) == {"master": 3, "slave": 3}
    homes = Counter(home(cluster, partition) for partition in range(PARTITIONS))
    assert len(homes) == 3
    assert max(homes.values()) <= 5


def contents(cluster: Cluster) -> dict[int, tuple[Any, Any, Any]]:
    """What each partition's stream of events holds, who has what of it, and what it has as retries."""
    found: dict[int, tuple[Any, Any, Any]] = {}
    with closing(channel.connect(cluster.url("dispatcher"))) as client:
        for partition in range(PARTITIONS):
            stream = keyspace.stream_key("events", partition)
            pending = client.xpending(stream, keyspace.GROUP)["pending"]
            retries = client.zrangebyscore(keyspace.retry_key("events", partition), 0, "inf", withscores=True)
            found[partition] = client.xrange(stream), pending, retries
    return found


def test_a_cluster_comes_back_from_its_backup_on_six_new_volumes(cluster, files, tmp_path):
    with closing(channel.connect(cluster.url("dispatcher"))) as client:
        for partition in range(PARTITIONS):
            one = Channel(client, "events", partition, "a")
            one.ensure()
            one.publish(*(f'{{"id":"{number}"}}'.encode() for number in range(3)))
            one.settle([(one.read(2, 0)[0], Park(wait_ms=600_000, attempts=1, first_ms=1))])
    before = contents(cluster)
    restored = Cluster(files, tmp_path / "restored")
    volumes = {f"/data-{number}": restored.prepared(number) / "data" for number in range(redis_cluster.NODES)}
    for folder in ("saved", "fetched"):
        (tmp_path / folder).mkdir()
    jobs, keys = pulumi_jobs.jobs_of("prod", redis="cluster"), pulumi_jobs.made(tmp_path)
    with pulumi_bucket.running(*keys) as bucket:
        told = {"REDIS_BACKUP_URL": f"redis://backup:backup@127.0.0.1:{cluster.ports[4]}/0", **bucket.environment}
        pulumi_jobs.perform(jobs["backup-redis"], {"/backup": tmp_path / "saved"}, told)
        pulumi_jobs.perform(jobs["restore-redis"], {"/backup": tmp_path / "fetched", **volumes}, told)
    with redis_cluster.running(restored):
        assert contents(restored) == before
        assert {len(entries) for entries, _, _ in before.values()} == {2}
        assert {pending for _, pending, _ in before.values()} == {1}
    for partition in range(PARTITIONS):
        waiting(cluster, partition)


@pytest.fixture(params=redis_server.SERVERS)
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, int]]:
    """A primary's URL and its replica's process, without a cluster around them."""
    homes = [tmp_path / "primary", tmp_path / "replica"]
    for folder in homes:
        folder.mkdir()
    with redis_server.running(request.param, homes[0], {"repl-diskless-sync-delay": "0"}) as url:
        own = ports.free(1)[0]
        argv = [redis_server.binary(request.param), "--port", str(own), "--bind", "127.0.0.1", "--save", ""]
        argv += ["--dir", str(homes[1]), "--replicaof", "127.0.0.1", str(urlsplit(url).port)]
        with redis.Redis(port=own) as copy:
            replica = process.running(argv, answers=lambda: _copies(copy), log=homes[1] / "server.log")
            with replica as running:
                yield url, running.pid


def _copies(replica: redis.Redis) -> bool:
    try:
        return replica.info("replication").get("master_link_status") == "up"
    except redis.RedisError:
        return False


def test_an_event_that_no_replica_has_is_not_accepted_the_second_time_either(pair):
    url, replica = pair
    let_in(url)

    async def told() -> list[tuple[bool, str]]:
        found = []
        # Another front door each time: Valkey waits for what a connection wrote itself. The first begins a generation
        # of identities, the second stores the event, and the third finds it there.
        for _ in range(3):
            door = Door(f"{url}?replicas=1")
            found.append((await door.send(TENANTS[1], 1), door.why))
            await door.close()
        return found

    os.kill(replica, signal.SIGSTOP)
    try:
        assert asyncio.run(told()) == [(False, NO_COPY)] * 3
    finally:
        os.kill(replica, signal.SIGCONT)
    assert asyncio.run(told()) == [(True, "")] * 3


def test_a_primary_lost_under_load_costs_no_event_that_was_accepted(cluster):
    let_in(cluster.url("operator"))
    lost = home(cluster, 0)

    async def sent(partition: int, door: Door, ended: asyncio.Event) -> set[int]:
        accepted, number = set(), 0
        while not ended.is_set():
            if await door.send(TENANTS[partition], number):
                accepted.add(number)
                await asyncio.sleep(0)
            else:
                await asyncio.sleep(0.05)
            number += 1
        return accepted

    async def comes(condition: Callable[[], bool], what: str) -> None:
        await asyncio.to_thread(until, condition, within_s=60, what=what)

    async def load() -> dict[int, set[int]]:
        door, ended = Door(cluster.url("ingest", (lost + 1) % 3, "cluster=true&replicas=1")), asyncio.Event()
        senders = [asyncio.create_task(sent(partition, door, ended)) for partition in TENANTS]
        await asyncio.sleep(1)
        cluster.kill(lost)
        await comes(lambda: Counter(cluster.roles().values())["master"] == 3, "its copy is in its place")
        other = Door(cluster.url("ingest", (lost + 1) % 3, "cluster=true&replicas=1"))
        while other.why != NO_COPY:  # the new primary has none, so nothing is accepted there
            assert not await other.send(TENANTS[0], -1)
        await other.close()
        cluster.start(lost)
        await comes(cluster.complete, "the lost one is the other's copy")
        await asyncio.sleep(1)
        ended.set()
        found = await asyncio.gather(*senders)
        await door.close()
        return dict(zip(TENANTS, found, strict=True))

    accepted = asyncio.run(load())
    there = {partition: waiting(cluster, partition) for partition in TENANTS}
    assert {partition: numbers - set(there[partition]) for partition, numbers in accepted.items()} == {
        partition: set() for partition in TENANTS
    }
    assert all(len(numbers) == len(set(numbers)) for numbers in there.values())
    assert min(len(numbers) for numbers in accepted.values()) > 10
    assert cluster.roles()[lost] == "slave"
