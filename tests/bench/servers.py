"""The servers under measurement, as processes on the server's core; stores run on the core of the load."""

from __future__ import annotations

import http.client
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from functions.local import ports, process
from functions.local.parts import ROOT
from tests.bench import cores
from tests.bench.load import Address

TOKEN = "delivery-token-of-the-bench-0123456789"
#: SSPP_MAX_WAITING_BYTES where nobody takes what is sent.
UNBOUNDED = 10**15
_HELLO = Path(__file__).parent / "hello.py"


@dataclass(frozen=True)
class Server:
    """A running one: where it listens, its main process and all of its processes."""

    address: Address
    pid: int

    @property
    def pids(self) -> list[int]:
        return cores.family(self.pid)

    @property
    def url(self) -> str:
        return "http://{}:{}/".format(*self.address)


@dataclass(frozen=True)
class Command:
    """How to start a server and how to tell that it answers.

    Args:
        argv: its command line, ``{port}`` where the port belongs.
        path: answers 200 once it is up.
    """

    argv: Sequence[str]
    env: Mapping[str, str]
    path: str = "/ready"

    @contextmanager
    def running(self, log: Path) -> Iterator[Server]:
        """Run it on the server's core for the length of the block."""
        port = ports.free(1)[0]
        with ExitStack() as stack:
            with cores.on(cores.SERVER):
                started = stack.enter_context(
                    process.running(self.line(port), answers=lambda: answers(port, self.path), log=log)
                )
            yield Server(("127.0.0.1", port), started.pid)

    def line(self, port: int) -> list[str]:
        """The command line that serves on ``port``, with nothing of our environment but what it is told."""
        told = {**_inherited(), **self.env, "PORT": str(port)}
        assignments = [f"{name}={value}" for name, value in told.items()]
        return ["env", "-i", *assignments, *(word.format(port=port) for word in self.argv)]


def function(name: str, env: Mapping[str, str]) -> Command:
    """One of our functions."""
    return Command([sys.executable, "-m", "functions.server", name], {**env, "SSPP_DELIVERY_TOKEN": TOKEN})


def dispatcher(channel: str, target: Server, env: Mapping[str, str]) -> Command:
    """The dispatcher of a channel."""
    told = {**env, "SSPP_DELIVERY_TOKEN": TOKEN, "SSPP_TARGET_URL": target.url}
    return Command([sys.executable, "-m", "events", channel], told)


def hello_world() -> Command:
    """What the Functions Framework's own command line serves, with the least there can be to do."""
    program = str(Path(sys.executable).parent / "functions-framework")
    argv = [program, "--target", "hello", "--source", str(_HELLO), "--host", "127.0.0.1", "--port", "{port}"]
    return Command(argv, {}, path="/")


def trivial() -> Command:
    """What the load itself can do."""
    return Command([sys.executable, "-m", "tests.bench.trivial", "{port}"], {}, path="")


def answers(port: int, path: str) -> bool:
    """Whether 127.0.0.1:``port`` answers ``path`` with 200; without a path, whether it answers at all."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=3)
    try:
        connection.request("GET", path or "/")
        return connection.getresponse().status == 200 or not path
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _inherited() -> dict[str, str]:
    known = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**known, "PYTHONPATH": str(ROOT), "LOG_LEVEL": "info"}
