from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest

from events.errors import ConfigError
from functions.local import home as home_module
from functions.local import ports
from functions.local.home import Home
from functions.local.process import dies_with_us
from tests.servers.parts import PATIENCE

ROOT = Path(__file__).resolve().parents[2]

#: Supervises the parts it is given as JSON, the way `make run` does.
DRIVER = """
import asyncio, json, os, sys
from pathlib import Path
from functions.local.console import Console
from functions.local.home import Home
from functions.local.supervisor import Part, Supervisor

spec = json.loads(sys.argv[1])

def part(row):
    answers = (lambda: Path(row["ready"]).exists()) if "ready" in row else None
    return Part(name=row["name"], argv=[sys.executable, "-uc", row["code"]], env={"PATH": os.environ["PATH"]},
                answers=answers, stage=row.get("stage", 0))

async def main(lock):
    console = Console(sys.stdout, colour=False)
    limits = {"grace_s": spec["grace_s"], "patience_s": spec["patience_s"]}
    supervisor = Supervisor(console, cwd=Path.cwd(), keep_fds=[lock], **limits)
    async def story():
        for row in spec["first"]:
            await supervisor.finish(part(row))
        await supervisor.start(*map(part, spec["parts"]))
        console.say("all ready")
    return await supervisor.run(story)

with Home(Path(spec["home"])).locked() as lock:
    sys.exit(asyncio.run(main(lock)))
"""

#: Stays, with a grandchild that stays too and has to be ended by somebody; says both process ids.
STAYS = """
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
print("pids", os.getpid(), child.pid)
child.wait()
"""
#: Says when it is asked to stop.
POLITE = """
import signal, sys
def stop(*_):
    print("asked to stop")
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
print("here")
signal.pause()
"""
STUBBORN = """
import os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("pids", os.getpid())
while True:
    signal.pause()
"""


class Run:
    """A supervisor in a process of its own, and what it has printed so far."""

    def __init__(self, folder: Path, parts: list[dict[str, object]], **spec: object) -> None:
        self._output = folder / "output"
        told = {"home": str(folder), "parts": parts, "first": [], "grace_s": 20, "patience_s": 20} | spec
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", DRIVER, json.dumps(told)], cwd=ROOT, stdout=output, stderr=output
            )

    def text(self) -> str:
        return self._output.read_text()

    def says(self, words: str, times: int = 1) -> None:
        until(lambda: self.text().count(words) >= times, lambda: f"{words!r} {times} x in:\n{self.text()}")

    def pids(self) -> list[int]:
        """Every process id that parts have told."""
        lines = [line.split("pids")[1] for line in self.text().splitlines() if " pids " in line]
        return [int(pid) for line in lines for pid in line.split()]

    def ends(self, within_s: float = 15) -> int:
        return self.process.wait(within_s)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    runs: list[Run] = []

    def start(*parts: dict[str, object], **spec: object) -> Run:
        runs.append(Run(tmp_path, list(parts), **spec))
        return runs[-1]

    yield start
    for left in runs:
        left.process.kill()
        left.process.wait()
        for pid in left.pids():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def until(true: Callable[[], bool], what: Callable[[], str] = lambda: "", within_s: float = 15) -> None:
    deadline = time.monotonic() + within_s * PATIENCE
    while not true():
        assert time.monotonic() < deadline, what()
        time.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be reaped does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    with suppress(FileNotFoundError, ProcessLookupError):
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    return not Path("/proc/self").exists()


def gone(pids: list[int]) -> None:
    assert pids
    until(lambda: not any(map(alive, pids)), lambda: f"still there: {[pid for pid in pids if alive(pid)]}")


def test_a_part_that_exits_is_started_again_later_each_time_and_the_reason_shown(run):
    driver = run({"name": "api", "code": "import sys; print('hello'); sys.exit(3)"})
    driver.says("api: process exited with 3; started again in 0.5 s")
    driver.says("api: process exited with 3; started again in 1 s")
    driver.says("api          hello", times=3)


def test_a_part_that_is_killed_is_started_again_and_its_children_do_not_stay(run):
    driver = run({"name": "ingest", "code": STAYS})
    driver.says("pids")
    first = driver.pids()
    os.kill(first[0], signal.SIGKILL)
    driver.says("ingest: process was killed by SIGKILL; started again in 0.5 s")
    driver.says("pids", times=2)
    gone(first)
    assert all(map(alive, driver.pids()[2:]))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_every_part_and_grandchild(run, number):
    driver = run({"name": "ingest", "code": STAYS}, {"name": "process", "code": STAYS})
    driver.says("pids", times=2)
    driver.process.send_signal(number)
    assert driver.ends() == 0
    assert len(driver.pids()) == 4
    gone(driver.pids())
    assert "started again" not in driver.text()


def test_parts_stop_stage_by_stage_the_highest_first(run):
    driver = run(*({"name": f"part{stage}", "code": POLITE, "stage": stage} for stage in (1, 3, 0, 2)))
    driver.says("here", times=4)
    driver.process.send_signal(signal.SIGTERM)
    assert driver.ends() == 0
    asked = [line.split()[1] for line in driver.text().splitlines() if "asked to stop" in line]
    assert asked == ["part3", "part2", "part1", "part0"]


def test_a_part_that_ignores_the_signal_is_killed_after_the_grace(run):
    driver = run({"name": "notify", "code": STUBBORN}, grace_s=0.5)
    driver.says("pids")
    driver.process.send_signal(signal.SIGTERM)
    assert driver.ends() == 0
    assert "notify did not stop within 0.5 s and is killed" in driver.text()
    gone(driver.pids())


def test_a_second_ctrl_c_kills_at_once(run):
    driver = run({"name": "notify", "code": STUBBORN}, grace_s=60)
    driver.says("pids")
    driver.process.send_signal(signal.SIGINT)
    driver.says("SIGINT: stopping")
    driver.process.send_signal(signal.SIGINT)
    assert driver.ends() == 0
    gone(driver.pids())


def test_a_second_sigterm_does_not_cut_the_draining_short(run):
    driver = run({"name": "notify", "code": STUBBORN}, grace_s=1)
    driver.says("pids")
    for _ in range(2):
        driver.process.send_signal(signal.SIGTERM)
        driver.says("SIGTERM: stopping")
    assert driver.ends() == 0
    assert "did not stop within 1 s" in driver.text()


@pytest.mark.skipif(not dies_with_us(signal.SIGTERM), reason="needs setpriv --pdeathsig (Linux)")
def test_parts_end_when_the_supervisor_is_killed(run):
    driver = run({"name": "ingest", "code": STAYS.replace("child.wait()", "import signal; signal.pause()")})
    driver.says("pids")
    driver.process.kill()
    driver.ends()
    gone(driver.pids()[:1])


def test_a_part_that_outlives_a_killed_supervisor_keeps_the_home_taken(run, tmp_path, monkeypatch):
    monkeypatch.setattr(home_module, "LEFTOVERS_S", 0.3)
    driver = run({"name": "ingest", "code": STUBBORN})
    driver.says("pids")
    driver.process.kill()
    driver.ends()
    with pytest.raises(ConfigError, match="parts of a run that was killed"), Home(tmp_path).locked():
        pass
    os.kill(driver.pids()[0], signal.SIGKILL)
    gone(driver.pids())
    with Home(tmp_path).locked():
        pass


def test_a_part_that_never_gets_ready_stops_the_whole_run(run, tmp_path):
    driver = run({"name": "api", "code": STAYS, "ready": str(tmp_path / "never")}, patience_s=0.5)
    assert driver.ends() == 1
    assert "cannot start: api was not ready within 0.5 s" in driver.text()
    gone(driver.pids())


def test_a_first_step_that_fails_stops_the_whole_run(run):
    driver = run({"name": "api", "code": STAYS}, first=[{"name": "migrate", "code": "raise SystemExit(4)"}])
    assert driver.ends() == 1
    assert "cannot start: migrate: process exited with 4" in driver.text()
    assert "all ready" not in driver.text()


def test_a_first_step_that_is_interrupted_leaves_nothing(run):
    driver = run(first=[{"name": "migrate", "code": STAYS}])
    driver.says("pids")
    driver.process.send_signal(signal.SIGINT)
    assert driver.ends() == 0
    gone(driver.pids())


def test_lines_that_are_endless_or_not_text_are_shown_and_stop_nothing(run):
    code = "import sys; sys.stdout.buffer.write(b'x' * 200_000 + b'\\xff\\nnext\\nlast without end'); {}"
    driver = run({"name": "api", "code": code.format("sys.stdout.flush(); import signal; signal.pause()")})
    driver.says("api          next")
    driver.process.send_signal(signal.SIGTERM)
    assert driver.ends() == 0
    assert "api          last without end" in driver.text()


# --- make run: what it refuses


def make_run(folder: Path, **env: object) -> subprocess.CompletedProcess[str]:
    told = {"PATH": os.environ["PATH"], "SSPP_HOME": str(folder), **{k: str(v) for k, v in env.items()}}
    return subprocess.run(
        [sys.executable, "-m", "functions.local"],
        cwd=ROOT,
        env=told,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("setting", ["INGEST_PORT", "API_PORT"])
def test_a_busy_port_is_named_with_its_setting_and_nothing_is_started(tmp_path, setting):
    with closing(socket.create_server(("127.0.0.1", 0))) as busy, closing(socket.socket()) as other:
        other.bind(("127.0.0.1", 0))
        ports = {"INGEST_PORT": other.getsockname()[1], "API_PORT": other.getsockname()[1]}
        ports[setting] = busy.getsockname()[1]
        other.close()
        done = make_run(tmp_path / "home", **ports)
    assert done.returncode == 1
    assert done.stderr == f"sspp: port {ports[setting]} is in use; set {setting} to another one\n"
    assert done.stdout == ""
    assert not (tmp_path / "home" / "postgres").exists()


def test_a_second_run_on_the_same_home_is_refused(tmp_path):
    with Home(tmp_path / "a home").locked():
        done = make_run(tmp_path / "a home")
    assert done.returncode == 1
    assert done.stderr.startswith(f"sspp: another `make run` (process {os.getpid()}) uses {tmp_path}/a home;")


def test_settings_that_cannot_work_are_refused_in_one_line(tmp_path):
    done = make_run(tmp_path / "home", INGEST_PORT="many", LOG_LEVEL="loud")
    assert done.returncode == 1
    assert done.stderr.startswith("sspp: INGEST_PORT must be a whole number; LOG_LEVEL must be one of ")
    assert done.stderr.count("\n") == 1


def test_a_home_stays_taken_until_the_last_process_of_a_killed_run_has_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(home_module, "LEFTOVERS_S", 0.3)
    with Home(tmp_path).locked() as lock:
        left = subprocess.Popen(["sleep", "60"], pass_fds=[lock])
    (tmp_path / "lock").write_text("")  # whoever took it is gone
    Home(tmp_path).announce({"api_url": "of the killed run"})
    try:
        with pytest.raises(ConfigError, match="parts of a run that was killed"), Home(tmp_path).locked():
            pass
        assert not (tmp_path / "ready.json").exists()
    finally:
        left.kill()
        left.wait()
    with Home(tmp_path).locked():
        pass


def test_secrets_stay_the_same_and_nobody_else_can_read_them(tmp_path):
    home = Home(tmp_path / "home")
    first = home.secret("token")
    assert Home(tmp_path / "home").secret("token") == first
    assert home.secret("other") != first
    assert (home.path.stat().st_mode & 0o777, (home.path / "secrets.json").stat().st_mode & 0o777) == (
        0o700,
        0o600,
    )


def test_a_part_keeps_its_port_from_start_to_start_until_somebody_else_takes_it(tmp_path):
    before = Home(tmp_path).ports(["mailbox", "process"])
    assert len(set(before.values())) == 2
    assert Home(tmp_path).ports(["mailbox", "process"]) == before
    with closing(socket.create_server(("127.0.0.1", before["mailbox"]))):
        moved = Home(tmp_path).ports(["index", "mailbox", "process"])
    assert moved["process"] == before["process"]
    assert len({*moved.values(), before["mailbox"]}) == 4
    assert Home(tmp_path).ports(["mailbox"]) == {"mailbox": moved["mailbox"]}


def test_no_port_is_given_twice():
    given = [port for count in (1, 5, 1) for port in ports.free(count)]
    assert len(set(given)) == len(given)
    assert set(given).isdisjoint(ports.free(100))


def test_no_port_is_given_to_two_processes(monkeypatch):
    monkeypatch.setattr(ports, "_OURS", ports.free(30))
    script = f"from functions.local import ports; ports._OURS = {ports._OURS}; print(*ports.free(9)); input()"
    for port in ports._OURS:
        os.close(ports._claims.pop(port))
    with ExitStack() as stack:
        lines = list(_first_lines(stack, [sys.executable, "-c", script], 2))
        given = [*map(int, " ".join(lines).split()), *ports.free(9)]
    assert len(set(given)) == len(given) == 27


def _first_lines(stack: ExitStack, argv: list[str], count: int) -> Iterator[str]:
    """The first line that each of ``count`` processes says; they run on until ``stack`` is left."""
    for _ in range(count):
        process = stack.enter_context(
            subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        )
        assert process.stdout is not None
        yield process.stdout.readline()


def test_no_part_is_given_a_port_that_a_door_was_told_to_take(tmp_path, monkeypatch):
    doors = ports.free(2)
    monkeypatch.setattr(ports, "_OURS", (*doors, *ports.free(2)))
    Home(tmp_path).ports(["mailbox"], spoken_for=set(ports._OURS) - {doors[0]})  # as an earlier run left it
    assigned = Home(tmp_path).ports(["mailbox", "process"], spoken_for=doors)
    assert set(assigned.values()) == set(ports._OURS) - set(doors)


@pytest.mark.parametrize("text", ["", "[1]", "{"])
def test_ports_that_cannot_be_read_are_named(tmp_path, text):
    Home(tmp_path).path.joinpath("ports.json").write_text(text, "utf-8")
    with pytest.raises(ConfigError, match=r"ports\.json cannot be read"):
        Home(tmp_path).ports(["mailbox"])
