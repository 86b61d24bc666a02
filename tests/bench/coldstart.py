"""Cold start: from nothing to the first answer."""

from __future__ import annotations

import signal
import subprocess
import time
from collections import defaultdict
from pathlib import Path

from functions.local import ports, valkey
from functions.local.process import kill_group
from tests.bench import cores, servers
from tests.bench.figure import Figure
from tests.bench.servers import Command

_LONGEST_S = 60.0
_POLL_S = 0.002


def measure(folder: Path, *, rounds: int) -> list[Figure]:
    """Measure, each round both in turn; the first, which finds nothing in the caches, does not count."""
    found: dict[str, list[float]] = defaultdict(list)
    with cores.on(cores.LOAD), valkey.running(folder) as url:
        commands = {"ingest": servers.function("ingest", {"REDIS_URL": url}), "hello": servers.hello_world()}
        for number in range(rounds + 1):
            for name, command in commands.items():
                took_s = _start(command)
                found[name] += [took_s * 1000] if number else []
    return [
        Figure(
            name="cold start of ingest, to the first answer",
            values=found["ingest"],
            unit="ms",
            baseline="Functions Framework CLI, hello world",
            baselines=found["hello"],
            most=1.35,
        )
    ]


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
