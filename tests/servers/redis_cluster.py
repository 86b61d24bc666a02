"""The deployed Redis Cluster on this machine: six servers with the component's files, each with what joins it."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import redis

from functions.local import ports, process
from tests.servers import redis_server
from tests.servers.parts import until

#: How many nodes the component has, primaries first.
NODES = 6
#: Shortened: a primary that is away for a second is replaced.
NODE_TIMEOUT_MS = 1_000


@dataclass
class Cluster:
    """Six nodes.

    Args:
        files: the ConfigMap of the servers, name -> text.
        folder: for the servers' data and logs.
    """

    files: Mapping[str, str]
    folder: Path
    ports: list[int] = field(default_factory=lambda: ports.free(NODES))
    buses: list[int] = field(default_factory=lambda: ports.free(NODES))
    _running: list[ExitStack] = field(default_factory=list)
    _servers: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)

    def url(self, user: str, node: int = 0, options: str = "cluster=true") -> str:
        """The URL of one of the deployed users, whose passwords are their names."""
        return f"redis://{user}:{user}@127.0.0.1:{self.ports[node]}/0?{options}"

    def start(self, number: int) -> None:
        """Run a node, with the data of an earlier run if there is some, and what joins it to the others.

        On the main thread: the processes end with the thread that started them.
        """
        home = self.prepared(number)
        while len(self._running) <= number:
            self._running.append(ExitStack())
        stack = self._running[number]
        argv = [redis_server.binary("redis"), str(home / "etc" / "cluster.conf"), "--bind", "127.0.0.1"]
        argv += ["--port", str(self.ports[number]), "--cluster-port", str(self.buses[number])]
        argv += ["--cluster-node-timeout", str(NODE_TIMEOUT_MS)]
        server = process.running(argv, answers=lambda: self._answers(number), log=home / "server.log")
        self._servers[number] = stack.enter_context(server)
        nodes = " ".join(f"127.0.0.1:{port}@{bus}" for port, bus in zip(self.ports, self.buses, strict=True))
        env = ["env", f"NODES={nodes}", f"SELF={number}", f"RUN={home}/run", "EVERY=0.2"]
        joining = [*env, "sh", str(home / "etc" / "join.sh")]
        stack.enter_context(process.running(joining, answers=lambda: True, log=home / "join.log"))

    def stop(self, number: int) -> None:
        """End a node and what joins it."""
        self._running[number].close()

    def kill(self, number: int) -> None:
        """End a node as a lost machine does: at once, and nothing of it says goodbye."""
        os.kill(self._servers[number].pid, signal.SIGKILL)
        self.stop(number)

    def node(self, number: int) -> redis.Redis:
        """A connection to one node, as what joins the nodes."""
        password = (self.folder / str(number) / "run" / "cluster-password").read_text("ascii")
        return redis.Redis(host="127.0.0.1", port=self.ports[number], username="cluster", password=password)

    def roles(self) -> dict[int, str]:
        """Node -> ``master`` or ``slave``, as the nodes that answer say it."""
        found = {}
        for number in range(NODES):
            try:
                with self.node(number) as client:
                    nodes = client.execute_command("CLUSTER NODES")
            except redis.RedisError:
                continue
            for told in nodes.values():  # a node that has just started does not name itself yet
                if "myself" in told["flags"] and (told["slots"] or "slave" in told["flags"]):
                    found[number] = "slave" if "slave" in told["flags"] else "master"
        return found

    def complete(self) -> bool:
        """Whether three have the slots, each with a copy that is up to date, and all nodes know it."""
        roles = self.roles()
        return sorted(roles.values()) == ["master"] * 3 + ["slave"] * 3 and all(map(self._whole, range(NODES)))

    def _whole(self, number: int) -> bool:
        with self.node(number) as client:
            told = client.execute_command("CLUSTER INFO")
            nodes = client.execute_command("CLUSTER NODES").values()
        copied = {node["master_id"] for node in nodes if "slave" in node["flags"] and "fail" not in node["flags"]}
        with redis.Redis.from_url(self.url("exporter", number, "")) as client:
            up_to_date = client.info("replication").get("master_link_status", "up") == "up"
        return up_to_date and told["cluster_state"] == "ok" and len(copied) == NODES // 2

    def prepared(self, number: int) -> Path:
        """Return the folder of a node, with its configuration and its users; its data is in ``data``."""
        home = self.folder / str(number)
        if not home.exists():
            self._prepare(home)
        return home

    def _prepare(self, home: Path) -> None:
        for name in ("etc", "data", "run", "secret"):
            (home / name).mkdir(parents=True)
        for user in redis_server.DEPLOYED_USERS:
            (home / "secret" / f"{user}-password").write_text(user, "utf-8")
        places = {"/etc/redis/": f"{home}/etc/", "/run/redis/": f"{home}/run/", "/secret/": f"{home}/secret/"}
        for name, text in self.files.items():
            for place, here in (places | {"dir /data": f"dir {home}/data"}).items():
                text = text.replace(place, here)
            (home / "etc" / name).write_text(text, "utf-8")
        subprocess.run(["sh", home / "etc" / "cluster-users.sh"], check=True, timeout=30)

    def _answers(self, number: int) -> bool:
        try:
            with self.node(number) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


@contextmanager
def running(cluster: Cluster) -> Iterator[Cluster]:
    """Run a cluster for the length of the block, from when its nodes found each other."""
    try:
        for number in range(NODES):
            cluster.start(number)
        until(cluster.complete, within_s=60, what="the nodes are a cluster")
        yield cluster
    finally:
        for number in range(len(cluster._running)):
            cluster.stop(number)
