"""Which core a process runs on, and what a process costs: memory and time. Linux tells; elsewhere nothing is known."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

#: The core of the server under measurement, and the one of the load and of everything else.
SERVER, LOAD = 0, 1

#: Whether this system tells what a process costs.
KNOWN = Path("/proc/self/stat").exists()
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def pinnable() -> bool:
    """Whether there are two cores that processes can be pinned to."""
    return hasattr(os, "sched_setaffinity") and {SERVER, LOAD} <= os.sched_getaffinity(0)


@contextmanager
def on(core: int) -> Iterator[None]:
    """Run the block, and the processes it starts for as long as they live, on ``core``."""
    if not pinnable():
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def family(pid: int) -> list[int]:
    """``pid`` and the processes it started, and theirs."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += family(int(child))
    return found


def cpu_s(pids: Sequence[int]) -> float:
    """Seconds of processor the processes have used, user and system; 0 where nobody tells."""
    ticks = 0
    for pid in pids if KNOWN else ():
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks * _TICK_S


def memory_mb(pid: int) -> float:
    """Resident memory in MB (10^6 bytes), what is shared with other processes included."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0
