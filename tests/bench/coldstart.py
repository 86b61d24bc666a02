"""Cold start: from nothing to the first answer."""

from __future__ import annotations

import signal
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import redis

from functions.adapters.redis.keys import RedisKeyDirectory
from functions.local import ports, postgres, valkey
from functions.local.process import kill_group
from tests.bench import cores, servers
from tests.bench.figure import Figure
from tests.bench.servers import Command
from tests.infra import image
from tests.infra.image import Image, confined

#: What the deployed readiness probe asks.
READY = "/live"

#: Function -> the most its cold start may be, as a multiple of hello world's.
GOALS = {"ingest": 1.35, "process": 2.2, "api": 2.2}

_LONGEST_S = 60.0
_POLL_S = 0.002


def measure(folder: Path, *, rounds: int) -> list[Figure]:
    """Measure, each round all in turn; the first, which finds nothing in the caches, does not count."""
    found: dict[str, list[float]] = defaultdict(list)
    with (
        cores.on(cores.LOAD),
        valkey.running(folder) as redis_url,
        postgres.running(folder, fast=True) as database,
        _tree() as tree,
        _home() as home,
    ):
        with redis.Redis.from_url(redis_url) as client:
            RedisKeyDirectory(client).complete()  # without it ingest is not ready
        hello = servers.hello_world()
        commands = {
            "hello": hello,
            "ingest": servers.function("ingest", {"REDIS_URL": redis_url}),
            # The same confinement for both; the Framework's own gunicorn wants a home it can write to.
            "hello as confined": replace(
                hello, argv=confined(hello.argv, tree.user), env={"HOME": home, "TMPDIR": home}
            ),
            **_in(tree, {"REDIS_URL": redis_url, "DATABASE_URL": database}),
        }
        for number in range(rounds + 1):
            for name, command in commands.items():
                took_s = _start(command)
                found[name] += [took_s * 1000] if number else []
    figure = partial(Figure, unit="ms", baseline="Functions Framework CLI, hello world")
    return [
        figure(
            name="cold start of ingest, to the first answer",
            values=found["ingest"],
            baselines=found["hello"],
            most=GOALS["ingest"],
        ),
        *(
            figure(
                name=f"cold start of {name} in the image's read-only tree",
                values=found[f"{name} in the image"],
                baselines=found["hello as confined"],
                most=most,
            )
            for name, most in GOALS.items()
        ),
    ]


@contextmanager
def _tree() -> Iterator[Image]:
    """The image, where a user who is nobody here can reach it."""
    with tempfile.TemporaryDirectory(prefix="sspp-image-") as folder:
        Path(folder).chmod(0o755)
        yield image.build(Path(folder))


@contextmanager
def _home() -> Iterator[str]:
    """A folder in memory for anybody."""
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="sspp-home-") as folder:
        Path(folder).chmod(0o777)
        yield folder


def _in(tree: Image, stores: Mapping[str, str]) -> dict[str, Command]:
    told = {**tree.env, "HOST": "127.0.0.1", "SSPP_DELIVERY_TOKEN": servers.TOKEN, **stores}
    return {
        f"{name} in the image": Command(tree.command(["python", "-m", "functions.server", name]), told)
        for name in GOALS
    }


def _start(command: Command) -> float:
    """Start it, wait for its first good answer, stop it; give how long the answer took, in seconds."""
    port = ports.free(1)[0]
    with cores.on(cores.SERVER):
        started = time.perf_counter()
        process = subprocess.Popen(
            command.line(port), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
    try:
        while not servers.answers(port, command.path):
            if time.perf_counter() - started > _LONGEST_S or process.poll() is not None:
                raise TimeoutError(f"{command.argv} does not answer")
            time.sleep(_POLL_S)
        return time.perf_counter() - started
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        kill_group(process.pid)
