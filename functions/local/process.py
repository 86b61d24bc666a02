"""One child process: how it is started so that it does not outlive us, and how its end is put in words."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from events.errors import SsppError

_POLL_S = 0.05
_STOP_S = 30.0
#: Above what a supervisor gives its parts (90 s), so that it is the one who says which part it was.
_PATIENCE_S = 100.0
#: Lines of the log of a process that did not come up which go with the error.
_LAST_LINES = 30


class StartError(SsppError):
    """A process did not come up: stop what runs already and say so."""


def dies_with_us(stop_signal: signal.Signals) -> list[str]:
    """Return the prefix of a command line that gets ``stop_signal`` when we end without stopping it.

    Only Linux has this, through util-linux; elsewhere the prefix is empty and a killed parent leaves
    its children running, which the lock of SSPP_HOME then notices.
    """
    prefix = ["setpriv", "--pdeathsig", stop_signal.name.removeprefix("SIG")]
    return prefix if _works((*prefix, "true")) else []


def end_of(returncode: int) -> str:
    """Put the end of a process in words."""
    if returncode >= 0:
        return f"process exited with {returncode}"
    try:
        return f"process was killed by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"process was killed by signal {-returncode}"


def kill_group(leader: int) -> None:
    """Kill whatever is left of the process group of ``leader``."""
    # PermissionError: what macOS says about a group of which only zombies are left.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


@contextmanager
def running(
    argv: Sequence[str],
    *,
    answers: Callable[[], bool],
    stop_signal: signal.Signals = signal.SIGTERM,
    log: Path,
    patience_s: float = _PATIENCE_S,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server for the length of the block; its output goes to ``log``.

    Raises:
        StartError: it ended, or ``answers`` did not come true within ``patience_s`` seconds.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*dies_with_us(stop_signal), *argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _await_answer(process, answers, log, patience_s)
        yield process
    finally:
        _stop(process, stop_signal)


def _await_answer(process: subprocess.Popen[bytes], answers: Callable[[], bool], log: Path, patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while not answers():
        returncode = process.poll()
        if returncode is not None:
            raise StartError(f"{end_of(returncode)}; {_last_of(log)}")
        if time.monotonic() > deadline:
            raise StartError(f"process did not answer within {patience_s:g} s; {_last_of(log)}")
        time.sleep(_POLL_S)


def _last_of(log: Path) -> str:
    lines = log.read_text("utf-8", "replace").splitlines()[-_LAST_LINES:]
    return "\n".join([f"{log} ends with:", *lines]) if lines else f"{log} is empty"


def _stop(process: subprocess.Popen[bytes], stop_signal: signal.Signals) -> None:
    process.send_signal(stop_signal)
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        kill_group(process.pid)
        process.wait()


@cache
def _works(argv: tuple[str, ...]) -> bool:
    if shutil.which(argv[0]) is None:
        return False
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0
