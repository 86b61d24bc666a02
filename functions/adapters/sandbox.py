"""A warm child process that checks data against schemas of unbounded cost, and that can be ended.

The child imports what it needs once and forks a worker with a limit of processor time for each check, and of memory.
The kernel ends a worker there, and the next check gets a fresh one. Checks that are certainly cheap do not come here:
see :func:`functions.domain.schema.certainly_cheap`.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import struct
import subprocess
import sys
from pathlib import Path
from threading import Lock
from typing import NoReturn

from pydantic_core import from_json, to_json

from events.errors import Fault
from functions.domain.schema import faults

#: Seconds of processor time for one check.
CPU_S = 0.05
#: Bytes that one check may allocate beside what the child has.
MEMORY = 64 * 1024 * 1024
#: Seconds to wait for an answer: processor time on a busy machine, and the start of the child.
PATIENCE_S = 5.0

_LENGTH = struct.Struct(">I")
_ROOT = Path(__file__).parents[2]
_STATM = Path("/proc/self/statm")


class Sandbox:
    """Checks, one at a time; any thread may ask. The child starts with the first check."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._child: subprocess.Popen[bytes] | None = None

    def faults(self, schema: bytes, data: bytes) -> list[Fault] | None:
        """Check ``data`` against ``schema``, both JSON.

        Returns:
            What is wrong with the data, or None where the check was ended before it had an answer.
        """
        with self._lock:
            try:
                answer = self._ask(schema, data)
            except (OSError, EOFError):
                self._end()
                return None
        return [Fault(pointer, detail) for pointer, detail in from_json(answer)] if answer else None

    def close(self) -> None:
        """End the child."""
        with self._lock:
            self._end()

    def _ask(self, schema: bytes, data: bytes) -> bytes:
        child = self._child
        if child is None or child.poll() is not None:
            self._end()
            child = self._child = subprocess.Popen(  # noqa: S603 - this very module
                [sys.executable, "-m", __name__], cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
            )
        if child.stdin is None or child.stdout is None:
            raise EOFError
        _write(child.stdin.fileno(), schema)
        _write(child.stdin.fileno(), data)
        if not select.select([child.stdout], [], [], PATIENCE_S)[0]:
            raise EOFError
        return _read(child.stdout.fileno())

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            child.communicate()


def _write(file: int, text: bytes) -> None:
    whole = memoryview(_LENGTH.pack(len(text)) + text)
    while whole:
        whole = whole[os.write(file, whole) :]


def _read(file: int) -> bytes:
    return _exactly(file, *_LENGTH.unpack(_exactly(file, _LENGTH.size)))


def _exactly(file: int, length: int) -> bytes:
    """Read so many bytes.

    Raises:
        EOFError: the other side has gone.
    """
    read = bytearray()
    while len(read) < length:
        piece = os.read(file, length - len(read))
        if not piece:
            raise EOFError
        read += piece
    return bytes(read)


# --- the child's side


class _Worker:
    """A fork that checks until it takes too much; then the kernel ends it, and the next check gets another."""

    def __init__(self) -> None:
        self._running: tuple[int, int, int] | None = None

    def answer(self, schema: bytes, data: bytes) -> bytes:
        """Return what is wrong as JSON, or nothing where the check did not come to its end."""
        process, write, read = self._running = self._running or _forked()
        try:
            _write(write, schema)
            _write(write, data)
            return _read(read)
        except (EOFError, BrokenPipeError):
            os.close(write)
            os.close(read)
            os.waitpid(process, 0)
            self._running = None
            return b""


def _forked() -> tuple[int, int, int]:
    """Start a worker.

    Returns:
        Its process id, where to write checks, and where to read answers.
    """
    asked, ask = os.pipe()
    answer, answered = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(ask)
        os.close(answer)
        _work(asked, answered)
    os.close(asked)
    os.close(answered)
    return process, ask, answer


def _work(asked: int, answered: int) -> NoReturn:
    """Check until the child that forked this process has gone, or something goes wrong."""
    try:
        _limit_memory()
        while True:
            _write(answered, _checked(_read(asked), _read(asked)))
    finally:
        os._exit(1)


def _limit_memory() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if _STATM.exists():
        now = int(_STATM.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY, now + MEMORY))


def _checked(schema: bytes, data: bytes) -> bytes:
    """Check in limited time: SIGPROF, whose default is the end, comes whatever the code is doing."""
    signal.setitimer(signal.ITIMER_PROF, CPU_S)
    try:
        return to_json([(fault.pointer, fault.detail) for fault in faults(schema, from_json(data), len(data))])
    except ValueError:  # a schema that was saved before its like was refused
        return b""
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def main() -> None:
    """Answer on standard output what is asked on standard input, until the parent has gone."""
    import jsonschema_rs  # noqa: F401 - once, before any fork

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the parent drains first; its end is ours
    worker = _Worker()
    while True:
        try:
            schema, data = _read(sys.stdin.fileno()), _read(sys.stdin.fileno())
        except EOFError:
            return
        _write(sys.stdout.fileno(), worker.answer(schema, data))


if __name__ == "__main__":
    main()
