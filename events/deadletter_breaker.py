"""The dead-letter circuit breaker: it opens when most events of most tenants fail, as after a broken deploy.

While it is open no event is dead-lettered: the function is at fault, and not the events.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

#: How many of a tenant's latest verdicts count.
EACH = 100
#: The fewest dead letters that open it.
LEAST = 20
#: Seconds without a delivery after which a tenant no longer counts.
FORGOTTEN_S = 600.0
#: At most this many tenants are tracked; further ones are ignored.
TENANTS = 10_000


@dataclass(slots=True)
class _Tenant:
    """A tenant's latest verdicts, True for each dead letter, and when the last came."""

    latest: deque[bool] = field(default_factory=lambda: deque(maxlen=EACH))
    heard_s: float = -math.inf


class DeadLetterBreaker:
    """The breaker of one channel, with the latest verdicts of each tenant.

    Every tenant counts alike, however much it sends: one that sends events which can never succeed does not open it
    for the others.

    Args:
        share: the share of a tenant's verdicts, and of the tenants, that may fail; 1.0 never opens.
        now_s: a monotonic clock, in seconds.
        recall: returns the latest dead letters as ``(tenant, seconds ago)``. It is called once, before the first dead
            letter: dispatchers start and stop all day, and each would dead-letter the first events of a broken
            deploy anew.
    """

    def __init__(
        self,
        share: float,
        now_s: Callable[[], float],
        recall: Callable[[], Iterable[tuple[str, float]]] = lambda: (),
    ) -> None:
        self._share = share
        self._now_s = now_s
        self._recall: Callable[[], Iterable[tuple[str, float]]] | None = recall
        self._forgot_s = now_s()
        self._lock = threading.Lock()
        self._tenants: dict[str, _Tenant] = {}

    def opened_by(self, verdicts: Sequence[tuple[str, bool]]) -> bool:
        """Add the verdicts of a batch, as ``(tenant, dead letter)``.

        Returns:
            Whether the breaker is open, so that the batch's dead letters must wait.
        Raises:
            Unavailable: the latest dead letters could not be recalled; nothing was added.
        """
        failing = any(failed for _, failed in verdicts)
        with self._lock:
            now_s = self._now_s()
            if failing and self._recall:
                self._remember(list(self._recall()), now_s)
                self._recall = None
            for tenant, failed in verdicts:
                known = self._known(tenant)
                known.latest.append(failed)
                known.heard_s = now_s
            if failing or now_s - self._forgot_s >= FORGOTTEN_S:
                self._forget(now_s)
            failures = [sum(one.latest) for one in self._tenants.values() if self._fails(one)] if failing else []
            return sum(failures) >= LEAST and len(failures) > self._share * len(self._tenants)

    def _known(self, tenant: str) -> _Tenant:
        known = self._tenants.get(tenant)
        if known is None:
            known = _Tenant()
            if len(self._tenants) < TENANTS:
                self._tenants[tenant] = known
        return known

    def _remember(self, dead: Sequence[tuple[str, float]], now_s: float) -> None:
        """Put dead letters from before this process started before the verdicts since."""
        for tenant, ago_s in dead:
            known = self._known(tenant)
            if len(known.latest) < EACH:
                known.latest.appendleft(True)
            known.heard_s = max(known.heard_s, now_s - ago_s)

    def _forget(self, now_s: float) -> None:
        self._tenants = {name: one for name, one in self._tenants.items() if now_s - one.heard_s < FORGOTTEN_S}
        self._forgot_s = now_s

    def _fails(self, one: _Tenant) -> bool:
        return sum(one.latest) > self._share * len(one.latest)
