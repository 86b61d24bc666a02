"""Pods: a part's processes as Kubernetes runs them.

What the kubelet does (probe GET /ready, start a crashed one again, SIGTERM, SIGKILL after the grace period) and
what a Deployment does (so many of them, one after the other in a rollout).
"""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from functions.local import ports

ROOT = Path(__file__).resolve().parents[2]

#: How often a pod that is not ready is asked whether it is. Knative's activator asks every 200 ms.
PROBE_S = 0.1


@dataclass(frozen=True, kw_only=True)
class Template:
    """What every pod of a part is started from.

    Args:
        grace_s: from the decision to end a pod to SIGKILL: terminationGracePeriodSeconds.
        log: where they write, all to one file.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    grace_s: float
    log: Path

    @classmethod
    def of(cls, *module: str, env: Mapping[str, str], grace_s: float, log: Path) -> Template:
        """``python -m`` something of ours."""
        common = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
        return cls(argv=(sys.executable, "-m", *module), env=common | dict(env), grace_s=grace_s, log=log)


@dataclass(eq=False, kw_only=True)
class Pod:
    """One process on a port of its own."""

    template: Template
    port: int
    process: subprocess.Popen[bytes]
    ready: bool = False
    restarts: int = 0
    probe_at: float = 0.0
    leaving_since: float | None = None  # since when it is to end: nothing new is routed to it
    told_to_end: bool = False
    in_flight: int = 0
    last_request_at: float = 0.0

    @classmethod
    def start(cls, template: Template) -> Pod:
        port = ports.free(1)[0]
        return cls(template=template, port=port, process=_spawn(template, port))

    def watch(self, now: float) -> None:
        """Start it again when it has crashed; ask whether it is ready when that is not known."""
        if self.leaving_since is not None:
            return
        if self.process.poll() is not None:
            self.process, self.ready = _spawn(self.template, self.port), False
            self.restarts += 1
        elif not self.ready and now >= self.probe_at:
            self.ready, self.probe_at = _is_ready(self.port), now + PROBE_S

    def end(self, now: float, *, drained: bool = True) -> bool:
        """Bring an end that was decided on nearer; gives whether it has come.

        Args:
            drained: what a preStop hook waits for before SIGTERM is sent.
        """
        assert self.leaving_since is not None
        if drained and not self.told_to_end:
            self.process.terminate()
            self.told_to_end = True
        if self.process.poll() is None and now > self.leaving_since + self.template.grace_s:
            self.kill()
        return self.process.poll() is not None

    def kill(self) -> None:
        """SIGKILL it and whatever it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@dataclass(eq=False)
class Deployment:
    """So many pods of one template, and those that are leaving."""

    template: Template
    wanted: int = 0
    pods: list[Pod] = field(default_factory=list)
    leaving: list[Pod] = field(default_factory=list)
    started: int = 0
    _outdated: list[Pod] = field(default_factory=list)

    @property
    def asleep(self) -> bool:
        """Whether not one process is left."""
        return not self.pods and not self.leaving

    @property
    def rolling(self) -> bool:
        return bool(self._outdated)

    def scale(self, wanted: int, now: float) -> None:
        """Start what is missing; what is too many leaves, the oldest first: nobody asks what it is doing."""
        self.wanted = wanted
        surplus = 1 if wanted and self._outdated else 0
        while len(self.pods) < wanted:
            self._start()
        while len(self.pods) > wanted + surplus:
            self._leave(self.pods[0], now)

    def roll(self) -> None:
        """Replace every pod there is, as maxSurge 1 and maxUnavailable 0 have it."""
        self._outdated = list(self.pods)

    def watch(self, now: float) -> None:
        """Watch the pods and go on with a rollout. Whoever owns the deployment brings the ends about."""
        for pod in self.pods:
            pod.watch(now)
        self._outdated = [pod for pod in self._outdated if pod in self.pods]
        if not self._outdated:
            return
        if len(self.pods) <= self.wanted:
            self._start()
        elif all(pod.ready for pod in self.pods if pod not in self._outdated):
            self._leave(self._outdated[0], now)

    def kill(self) -> None:
        for pod in (*self.pods, *self.leaving):
            pod.kill()
        self.pods.clear()
        self.leaving.clear()

    def _start(self) -> None:
        self.pods.append(Pod.start(self.template))
        self.started += 1

    def _leave(self, pod: Pod, now: float) -> None:
        pod.leaving_since = now
        self.pods.remove(pod)
        self.leaving.append(pod)


def clock() -> float:
    """Seconds that only go forward."""
    return time.monotonic()


def _spawn(template: Template, port: int) -> subprocess.Popen[bytes]:
    with template.log.open("ab") as log:
        return subprocess.Popen(
            template.argv,
            env={**template.env, "PORT": str(port)},
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _is_ready(port: int) -> bool:
    """GET /ready, never TCP: a server listens before it has its application."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
