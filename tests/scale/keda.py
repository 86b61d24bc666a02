"""KEDA 2.20 and the HPA it drives, around real dispatcher processes.

Sources: kedacore/keda v2.20.2, pkg/scalers/redis_scaler.go and redis_streams_scaler.go (what a trigger reads),
pkg/scaling/executor/scale_scaledobjects.go (0 <-> 1); Kubernetes' horizontal pod autoscaler (1 <-> N).
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import redis

from tests.scale.pods import Deployment, Template, clock

HPA_SYNC_S = 15.0
HPA_TOLERANCE = 0.1
HPA_DOWN_WINDOW_S = 300.0
TICK_S = 0.02

#: What the `redis` trigger asks: how much a key holds, by its type. A stream is an error.
_HOW_MUCH = """
local commands = {zset = 'ZCARD', set = 'SCARD', hash = 'HLEN', list = 'LLEN', none = 'LLEN'}
local kind = redis.call('TYPE', KEYS[1]).ok
if not commands[kind] then return redis.error_reply('ERR a ' .. kind .. ' is not counted') end
return redis.call(commands[kind], KEYS[1])
"""


@dataclass(frozen=True)
class Reading:
    """What one trigger said.

    Args:
        value: how much there is to do; None when the trigger failed.
        target: how much of it one replica is worth.
        active: whether it alone is a reason to be awake.
    """

    value: int | None
    target: int
    active: bool = False


def read(client: redis.Redis, trigger: Mapping[str, Any]) -> Reading:
    """Ask Redis what ``trigger`` (an item of ``spec.triggers``) asks it."""
    metadata: Mapping[str, str] = trigger["metadata"]
    if not all(isinstance(value, str) for value in metadata.values()):
        raise ValueError("KEDA refuses metadata that is not strings")
    count, target, activation = {"redis-streams": _stream, "redis": _list}[trigger["type"]](client, metadata)
    return Reading(count, target, count is not None and count > activation)


def _stream(client: redis.Redis, metadata: Mapping[str, str]) -> tuple[int | None, int, int]:
    """Without a consumer group: XLEN. With one KEDA would read lag or XPENDING; ours have none."""
    if "consumerGroup" in metadata:
        raise ValueError("with a consumerGroup streamLength is ignored")
    count = _asked(client, "XLEN", metadata["stream"])
    return count, int(metadata.get("streamLength", "5")), int(metadata.get("activationLagCount", "0"))


def _list(client: redis.Redis, metadata: Mapping[str, str]) -> tuple[int | None, int, int]:
    count = _asked(client, "EVAL", _HOW_MUCH, 1, metadata["listName"])
    return count, int(metadata.get("listLength", "5")), int(metadata.get("activationListLength", "0"))


def _asked(client: redis.Redis, *command: str | int) -> int | None:
    try:
        return int(client.execute_command(*command))
    except redis.RedisError:
        return None


def wanted(readings: Sequence[Reading], current: int, most: int) -> int:
    """How many replicas the HPA wants: of all triggers the most; with one failing never fewer than there are."""
    proposals = [_proposal(reading, current) for reading in readings if reading.value is not None]
    if not proposals:
        return current
    found = max(proposals)
    if len(proposals) < len(readings) and found < current:
        return current
    at_once = max(current + 4, current * 2)  # the default scaleUp policies
    return max(1, min(found, most, at_once))


def _proposal(reading: Reading, current: int) -> int:
    assert reading.value is not None
    share = reading.value / (reading.target * current)
    return current if abs(share - 1) <= HPA_TOLERANCE else math.ceil(reading.value / reading.target)


@dataclass(eq=False)
class Keda:
    """One ScaledObject and its target.

    Args:
        spec: the ScaledObject's ``spec``.
        client: of Redis, as KEDA's user.
        template: of the dispatcher's pods.
        speed: by how much KEDA's and the HPA's own intervals are shortened.
    """

    spec: Mapping[str, Any]
    client: redis.Redis
    template: Template
    speed: float = 1.0
    replicas: list[int] = field(default_factory=lambda: [0])  # every count there was, in order
    polls: int = 0
    last_active_at: float | None = None
    slept_at: float = 0.0  # when it last went to zero

    def __post_init__(self) -> None:
        self.deployment = Deployment(self.template)
        self._lock = threading.Lock()
        self._poll_at = self._sync_at = 0.0
        self._recommended: deque[tuple[float, int]] = deque()

    @property
    def cooldown_s(self) -> float:
        return float(self.spec.get("cooldownPeriod", 300)) / self.speed

    @property
    def asleep(self) -> bool:
        with self._lock:
            return self.deployment.asleep

    def roll(self) -> None:
        """Roll the Deployment out again; :attr:`rolling` says for how long."""
        with self._lock:
            self.deployment.roll()

    @property
    def rolling(self) -> bool:
        with self._lock:
            return self.deployment.rolling or bool(self.deployment.leaving)

    def tick(self, now: float) -> None:
        """Do what is due."""
        with self._lock:
            if now >= self._poll_at:
                self._poll_at = now + self.spec.get("pollingInterval", 30) / self.speed
                self._poll(now)
            if now >= self._sync_at:
                self._sync_at = now + HPA_SYNC_S / self.speed
                self._sync(now)
            self.deployment.watch(now)
            self.deployment.leaving = [pod for pod in self.deployment.leaving if not pod.end(now)]

    def readings(self) -> list[Reading]:
        return [read(self.client, trigger) for trigger in self.spec["triggers"]]

    def _poll(self, now: float) -> None:
        """0 -> 1 as soon as a trigger is active; -> 0 when none has been for the cooldown and none fails."""
        readings = self.readings()
        self.polls += 1
        if any(reading.active for reading in readings):
            self.last_active_at = now
            if not self.deployment.wanted:
                self._scale(1, now)
        elif any(reading.value is None for reading in readings):
            return  # TriggerError without fallback: everything stays as it is
        elif self.deployment.wanted and (self.last_active_at is None or now > self.last_active_at + self.cooldown_s):
            self._scale(0, now)
            self.slept_at = now

    def _sync(self, now: float) -> None:
        """1 <-> N, down only to the most that was wanted in the stabilisation window."""
        current = self.deployment.wanted
        if not current:
            self._recommended.clear()
            return
        found = wanted(self.readings(), current, self.spec.get("maxReplicaCount", 100))
        self._recommended.append((now, found))
        while self._recommended[0][0] < now - self._down_window_s:
            self._recommended.popleft()
        if found < current:
            found = min(current, max(count for _, count in self._recommended))
        if found != current:
            self._scale(found, now)

    @property
    def _down_window_s(self) -> float:
        behavior = self.spec.get("advanced", {}).get("horizontalPodAutoscalerConfig", {}).get("behavior", {})
        return float(behavior.get("scaleDown", {}).get("stabilizationWindowSeconds", HPA_DOWN_WINDOW_S)) / self.speed

    def _scale(self, replicas: int, now: float) -> None:
        self.deployment.scale(replicas, now)
        self.replicas.append(replicas)


@contextmanager
def running(keda: Keda) -> Iterator[Keda]:
    """Let ``keda`` work while the block runs, and leave no process behind."""
    stopping = threading.Event()
    failures: list[BaseException] = []

    def work() -> None:
        try:
            while not stopping.wait(TICK_S):
                keda.tick(clock())
        except BaseException as exc:  # noqa: BLE001 - raised again where the test sees it
            failures.append(exc)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield keda
    finally:
        stopping.set()
        thread.join()
        keda.deployment.kill()
    if failures:
        raise failures[0]
