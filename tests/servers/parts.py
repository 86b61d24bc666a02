"""The platform's parts as processes of their own, to be started, killed and started again."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from events import settings
from events.subscription import SUBSCRIPTIONS
from functions.local import ports, postgres
from functions.local.process import dies_with_us

ROOT = Path(__file__).resolve().parents[2]
FUNCTIONS = ("ingest", "process", "index", "notify", "api")
TOKEN = "delivery-token-of-the-tests-0123456789"
#: The password of every part's own login to PostgreSQL. Logins are the server's, which all tests share.
PASSWORD = "password-of-the-logins"
LOGINS = ",".join(f"{part}:{PASSWORD}" for part in settings.LOGINS)

#: Short enough for a test that waits for a crashed consumer's entries, in the order the settings demand.
QUICK = {
    "SSPP_FUNCTION_TIMEOUT_SECONDS": "3",
    "SSPP_DELIVERY_TIMEOUT_SECONDS": "3.5",
    "SSPP_CLAIM_IDLE_SECONDS": "4",
}

#: A busy machine may take so many times as long as an idle one. A wait ends when it may, so patience costs nothing.
PATIENCE = 4


def until(condition: Callable[[], bool], *, within_s: float, what: str) -> None:
    """Poll ``condition`` until it holds; fail with ``what`` after ``within_s`` seconds of an idle machine."""
    deadline = time.monotonic() + within_s * PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"after {within_s * PATIENCE} s still not: {what}")
        time.sleep(0.02)


@dataclass
class Part:
    """One process: its command, its port and what it wrote."""

    name: str
    argv: list[str]
    env: Mapping[str, str]
    port: int
    log: Path
    process: subprocess.Popen[bytes] | None = field(default=None)
    cwd: Path = ROOT

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it. It ends with us, also where a test run is broken off and stops nothing itself."""
        argv = [*dies_with_us(signal.SIGKILL), *self.argv]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                argv, env=dict(self.env), cwd=self.cwd, stdout=log, stderr=log, start_new_session=True
            )

    @property
    def metrics_url(self) -> str:
        return f"http://127.0.0.1:{self.env['SSPP_METRICS_PORT']}"

    def ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/ready", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def kill(self) -> None:
        """SIGKILL it and whatever it started."""
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM it, wait, and give its exit code."""
        assert self.process is not None
        self.process.terminate()
        try:
            return self.process.wait(40)
        finally:
            self.kill()


@dataclass
class Parts:
    """A set of parts that share their stores."""

    by_name: dict[str, Part]

    def __getitem__(self, name: str) -> Part:
        return self.by_name[name]

    def logs(self) -> str:
        return "\n".join(f"== {part.name}\n{part.log.read_text('utf-8')}" for part in self.by_name.values())


@contextlib.contextmanager
def running(
    folder: Path,
    *,
    env: Mapping[str, str],
    names: tuple[str, ...] = (*FUNCTIONS, *SUBSCRIPTIONS),
    own: Mapping[str, Mapping[str, str]] | None = None,
) -> Iterator[Parts]:
    """Run the parts ``names`` with the stores that ``env`` names.

    Args:
        own: part -> what it alone is told.
    """
    port_of = dict(zip(names, ports.free(len(names)), strict=True))
    common = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "SSPP_DELIVERY_TOKEN": TOKEN, **QUICK, **env}
    parts = Parts({name: _part(name, port_of, {**common, **(own or {}).get(name, {})}, folder) for name in names})
    try:
        for part in parts.by_name.values():
            part.start()
        for part in parts.by_name.values():
            until(part.ready, within_s=30, what=f"{part.name} is ready\n{part.log.read_text('utf-8')[-2000:]}")
        yield parts
    finally:
        for part in parts.by_name.values():
            if part.process is not None:
                part.process.terminate()
        for part in parts.by_name.values():
            if part.process is not None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    part.process.wait(20)
                part.kill()


def _part(name: str, port_of: Mapping[str, int], common: Mapping[str, str], folder: Path) -> Part:
    own = {"PORT": str(port_of[name]), "SSPP_METRICS_PORT": str(ports.free(1)[0])}
    passwords = settings.SchemaSettings(database_logins=common.get("SSPP_DATABASE_LOGINS", "")).passwords
    if name in passwords:
        own["DATABASE_URL"] = postgres.as_login(common["DATABASE_URL"], name, passwords[name])
    if name in SUBSCRIPTIONS:
        target = port_of.get(SUBSCRIPTIONS[name].function)
        own["SSPP_TARGET_URL"] = common.get("SSPP_TARGET_URL") or f"http://127.0.0.1:{target}/"
        argv = [sys.executable, "-m", "events", name]
    else:
        argv = [sys.executable, "-m", "functions.server", name]
    return Part(name, argv, {**common, **own}, port_of[name], folder / f"{name}.log")
