"""The supervisor: starts the parts of the local run, starts them again when they die, stops them in order."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from events.errors import SsppError
from functions.local.console import Console
from functions.local.process import StartError, dies_with_us, end_of, kill_group

#: Seconds a part may drain before it is killed: above the 30 s that functions/server.py drains for.
GRACE_S = 35.0
#: Seconds a part has to become ready.
PATIENCE_S = 90.0
#: Seconds to wait before a part that died is started again, doubling up to the second number.
FIRST_DELAY_S, LONGEST_DELAY_S = 0.5, 10.0
#: A part that lived this many seconds did not die "again", its next death counts as the first.
STABLE_S = 30.0

_POLL_S = 0.1
#: Seconds for what a process wrote last to come through its pipe.
_LAST_WORDS_S = 1.0
_LONGEST_LINE = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One process of the local run.

    Args:
        env: its whole environment.
        answers: tells whether it is ready, within a few seconds and without raising; None: ready at once.
        stage: parts stop in the order of their stages, the highest first.
        log: where it writes what it does not show.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(repr=False)
    answers: Callable[[], bool] | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stage: int = 0
    log: Path | None = None


class Supervisor:
    """Keeps parts running until SIGINT, SIGTERM or SIGHUP.

    Args:
        cwd: the folder the parts run in.
        keep_fds: descriptors the parts inherit.
        grace_s: seconds each stage has to stop.
    """

    def __init__(
        self,
        console: Console,
        *,
        cwd: Path,
        keep_fds: Sequence[int] = (),
        grace_s: float = GRACE_S,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._console = console
        self._cwd = cwd
        self._keep_fds = tuple(keep_fds)
        self._grace_s = grace_s
        self._patience_s = patience_s
        self._kept: list[_Kept] = []
        self._asked = asyncio.Event()

    async def run(self, story: Callable[[], Awaitable[None]]) -> int:
        """Run ``story``, which starts the parts, until it fails or we are asked to stop; then stop them all.

        When asked, ``story`` is cancelled first.

        Returns:
            the exit code: 0 when asked to stop, 1 when the story failed.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._ask, number)
        telling = asyncio.ensure_future(story())
        asked = asyncio.create_task(self._asked.wait())
        try:
            await asyncio.wait({telling, asked}, return_when=asyncio.FIRST_COMPLETED)
            if telling.done():
                telling.result()
                await asked
        except SsppError as exc:
            self._console.say(f"cannot start: {exc.in_full}")
            return 1
        finally:
            for task in (telling, asked):
                task.cancel()
            await asyncio.gather(telling, asked, return_exceptions=True)
            await self._stop()
        return 0

    async def start(self, *parts: Part) -> None:
        """Start ``parts`` side by side; return when all are ready.

        Raises:
            StartError: one did not become ready in time.
        """
        await asyncio.gather(*(self._ready(self._keep(part, again=True)) for part in parts))

    async def finish(self, part: Part) -> None:
        """Run a part that ends by itself.

        Raises:
            StartError: it failed.
        """
        kept = self._keep(part, again=False)
        await kept.ended.wait()
        self._kept.remove(kept)
        if kept.failure:
            raise StartError(f"{part.name}: {kept.failure}")

    def _ask(self, number: signal.Signals) -> None:
        if not self._asked.is_set():
            self._console.say(f"{signal.Signals(number).name}: stopping, once more Ctrl-C kills")
            self._asked.set()
        elif number == signal.SIGINT:  # not SIGTERM: make passes on the one its whole group got, too
            self._console.say("killing")
            for kept in self._kept:
                kept.kill()

    def _keep(self, part: Part, *, again: bool) -> _Kept:
        kept = _Kept(part, self._console, cwd=self._cwd, keep_fds=self._keep_fds, again=again)
        self._kept.append(kept)
        return kept

    async def _ready(self, kept: _Kept) -> None:
        answers = kept.part.answers
        if answers is None:
            return
        deadline = time.monotonic() + self._patience_s
        while not await asyncio.to_thread(answers):
            if time.monotonic() > deadline:
                raise StartError(f"{kept.part.name} was not ready within {self._patience_s:g} s")
            await asyncio.sleep(_POLL_S)

    async def _stop(self) -> None:
        for stage in sorted({kept.part.stage for kept in self._kept}, reverse=True):
            parts = [kept for kept in self._kept if kept.part.stage == stage]
            await asyncio.gather(*(kept.stop(self._grace_s) for kept in parts))


class _Kept:
    """One part under supervision.

    ``failure`` says how its last process ended, empty when that was with 0; ``ended`` is set when no
    other will follow.
    """

    def __init__(self, part: Part, console: Console, *, cwd: Path, keep_fds: tuple[int, ...], again: bool) -> None:
        self.part = part
        self.failure = ""
        self.ended = asyncio.Event()
        self._console = console
        self._cwd = cwd
        self._keep_fds = keep_fds
        self._again = again
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()
        self._task = asyncio.create_task(self._live())

    async def stop(self, grace_s: float) -> None:
        """Ask the process to end, kill it and what it started after ``grace_s`` seconds."""
        self._stopping.set()
        self._signal()
        try:
            await asyncio.wait_for(self.ended.wait(), grace_s)
        except TimeoutError:
            self._console.say(f"{self.part.name} did not stop within {grace_s:g} s and is killed")
            self.kill()
        await self._task

    def kill(self) -> None:
        """End the process and what it started at once, for good."""
        self._stopping.set()
        if self._process is not None:
            kill_group(self._process.pid)

    async def _live(self) -> None:
        """Run one process after the other until we are stopping."""
        delay_s = FIRST_DELAY_S
        try:
            while not self._stopping.is_set():
                born = time.monotonic()
                self.failure = await self._live_once()
                if not self._again or self._stopping.is_set():
                    return
                if time.monotonic() - born >= STABLE_S:
                    delay_s = FIRST_DELAY_S
                how = self.failure or end_of(0)
                how += f" (its log is {self.part.log})" if self.part.log else ""
                self._console.say(f"{self.part.name}: {how}; started again in {delay_s:g} s")
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), delay_s)
                delay_s = min(delay_s * 2, LONGEST_DELAY_S)
        finally:
            self.ended.set()

    async def _live_once(self) -> str:
        """Run one process from start to end; say how it failed, if it did."""
        reading, writing = os.pipe()
        copying = asyncio.create_task(self._copy(reading))
        try:
            process = self._process = await self._spawn(writing)
        except OSError as exc:
            return f"process could not be started: {exc.strerror}"
        finally:
            os.close(writing)  # the children's copies are now the only ones: `copying` ends with them
        if self._stopping.is_set():
            self._signal()  # asked while it was being born
        returncode = await process.wait()
        self._process = None
        kill_group(process.pid)  # children whose parent was killed still hold its port
        await asyncio.wait({copying}, timeout=_LAST_WORDS_S)
        copying.cancel()
        return end_of(returncode) if returncode else ""

    async def _spawn(self, output: int) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *dies_with_us(self.part.stop_signal),
            *self.part.argv,
            env=dict(self.part.env),
            cwd=self._cwd,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # a terminal's Ctrl-C is for the supervisor alone
            pass_fds=self._keep_fds,
        )

    def _signal(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(self.part.stop_signal)

    async def _copy(self, reading: int) -> None:
        """Show what the process and its children write, line by line, until all of them have ended.

        A pipe of our own: asyncio's would make us wait for a grandchild that keeps it open.
        """
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(reading, "rb", 0)
        )
        rest = b""
        try:
            while chunk := await reader.read(_LONGEST_LINE):
                *lines, rest = (rest + chunk).split(b"\n")
                if len(rest) > _LONGEST_LINE:
                    lines, rest = [*lines, rest], b""
                self._show(lines)
        finally:
            self._show([rest])
            transport.close()

    def _show(self, lines: Sequence[bytes]) -> None:
        for line in lines:
            if line:
                self._console.part(self.part.name, line.decode("utf-8", "replace").rstrip("\r"))
