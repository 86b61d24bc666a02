"""The dev overlay on this machine: its commands, settings and Redis users in the image's tree, addresses of ours."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import redis as redis_py

from functions.local import ports, process
from tests.infra.image import Image
from tests.infra.manifests import Object, environment, objects, ours
from tests.servers import redis_server
from tests.servers.parts import Part, until

#: User of Redis -> its password.
PASSWORDS = {
    "ingest": "ingest-password-of-the-tests",
    "dispatcher": "dispatcher-password-of-the-tests",
    "api": "api-password-of-the-tests",
    "operator": "operator-password-of-the-tests",
    "keda": "keda-pässwörd",
    "exporter": "exporter password",
    "backup": "backup-password",
}


@contextlib.contextmanager
def redis(folder: Path, server: str = "valkey", *, stop_signal: signal.Signals = signal.SIGTERM) -> Iterator[int]:
    """Run Redis as the StatefulSet starts it, with its redis.conf and its users; yields the port.

    Args:
        folder: for everything it writes; with the data of an earlier run in it, that is loaded.
        server: one of :data:`redis_server.SERVERS`.
        stop_signal: ends the server.
    """
    if not folder.exists():
        prepare_redis(folder)
    port = ports.free(1)[0]
    argv = [redis_server.binary(server), str(folder / "redis.conf"), *_arguments()]
    argv += ["--port", str(port), "--bind", "127.0.0.1"]
    with process.running(argv, answers=lambda: _answers(port), stop_signal=stop_signal, log=folder / "server.log"):
        yield port


def prepare_redis(folder: Path) -> None:
    """Write what the StatefulSet's ConfigMap and its init container bring: redis.conf and the ACL file."""
    [files] = [each["data"] for each in objects("dev") if "redis.conf" in each.get("data", {})]
    (folder / "data").mkdir(parents=True)
    (folder / "redis.conf").write_text(_here(files["redis.conf"], folder), "utf-8")
    redis_server.users(files["users.sh"], folder, PASSWORDS)


def client(port: int, user: str) -> redis_py.Redis:
    """A connection as one of the users."""
    return redis_py.Redis(host="127.0.0.1", port=port, username=user, password=PASSWORDS[user])


def url(port: int, user: str) -> str:
    """The same as a URL."""
    return f"redis://{user}:{quote(PASSWORDS[user])}@127.0.0.1:{port}/0"


@dataclass
class Deployed:
    """What of the dev overlay runs, and how to run more of it.

    Args:
        urls: setting, or Secret/key where several have the setting -> what stands in its Secret.
        port_of: component -> the port it answers on.
    """

    image: Image
    folder: Path
    urls: Mapping[str, str]
    port_of: dict[str, int] = field(default_factory=dict)
    parts: dict[str, Part] = field(default_factory=dict)
    objects: list[Object] = field(default_factory=lambda: objects("dev"))

    def part(self, component: str) -> Part:
        """A component with the command and environment of its container, its addresses replaced by ours."""
        [container] = [one for pod, one in ours(self.objects) if pod.component == component]
        env = dict(self.image.env)
        for name, value in environment(self.objects, container).items():
            env[name] = self._secret(name, *value) if isinstance(value, tuple) else value
        if "SSPP_TARGET_URL" in env:
            function = env["SSPP_TARGET_URL"].removeprefix("http://").partition(".")[0]
            env["SSPP_TARGET_URL"] = f"http://127.0.0.1:{self.port_of[function]}/"
        if "SSPP_WAKE_URLS" in env:
            known = self.port_of.setdefault("process", ports.free(1)[0])
            env["SSPP_WAKE_URLS"] = f"http://127.0.0.1:{known}/"
        port = self.port_of.setdefault(component, ports.free(1)[0])
        env |= {"PORT": str(port), "HOST": "127.0.0.1"}
        argv = self.image.command(container["command"])
        return Part(component, argv, env, port, self.folder / f"{component}.log", cwd=self.image.workdir)

    def _secret(self, name: str, secret: str, key: str) -> str:
        own = f"{secret}/{key}"
        return self.urls[own] if own in self.urls else self.urls[name]

    def run(self, component: str, *, command: Sequence[str] = (), given: str = "") -> subprocess.CompletedProcess[str]:
        """Run a component that ends by itself, or another command in its place with ``given`` as its input."""
        part = self.part(component)
        argv = self.image.command(command) if command else part.argv
        return subprocess.run(
            argv,
            env=dict(part.env),
            cwd=part.cwd,
            input=given,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


@contextlib.contextmanager
def running(deployed: Deployed, *components: str) -> Iterator[None]:
    """Run components until the block ends."""
    parts = deployed.parts
    try:
        for component in components:
            parts[component] = deployed.part(component)
            parts[component].start()
        for component, part in parts.items():
            until(part.ready, within_s=30, what=f"{component} is ready\n{part.log.read_text('utf-8')[-2000:]}")
        yield
    finally:
        started = [part.process for part in parts.values() if part.process is not None]
        for process_ in started:
            process_.terminate()
        for process_ in started:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process_.wait(20)
            process.kill_group(process_.pid)
            process_.wait()


def _here(text: str, folder: Path) -> str:
    """The same file with the container's places below ``folder``."""
    moved = {"/secret/": "secret/", "/run/redis/": "run/", "dir /data": "dir data"}
    for place, name in moved.items():
        text = text.replace(place, place.replace(place.split()[-1], f"{folder}/{name.split()[-1]}"))
    return text


def _arguments() -> list[str]:
    [redis_set] = [
        each for each in objects("dev") if each["metadata"]["name"] == "sspp-redis" and "template" in each["spec"]
    ]
    arguments: list[str] = redis_set["spec"]["template"]["spec"]["containers"][0]["args"]
    return arguments


def _answers(port: int) -> bool:
    with client(port, "exporter") as known:
        try:
            return bool(known.ping())
        except redis_py.RedisError:
            return False
