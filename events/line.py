"""Stop the line: when most of what was delivered lately is to be buried, a deploy is broken and not the events."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

#: How many of a tenant's latest verdicts are judged.
EACH = 100
#: Fewer burials than this say nothing.
LEAST = 20
#: A tenant nothing was delivered of for so long says nothing.
FORGOTTEN_S = 600.0
#: Of more tenants than this at a time, the others say nothing.
TENANTS = 10_000


@dataclass(slots=True)
class _Tenant:
    """A tenant's latest verdicts, whether each was a burial, and when the last came."""

    latest: deque[bool] = field(default_factory=lambda: deque(maxlen=EACH))
    heard_s: float = -math.inf


class Line:
    """The latest verdicts of one channel, tenant by tenant.

    Every tenant counts alike, however much it sends: one who sends what can never succeed does not stop the line
    for the others.

    Args:
        share: the share of a tenant's verdicts, and of the tenants, that may fail; 1.0 never stops.
        now_s: a clock that only goes forward, in seconds.
        recall: gives what was buried lately, as ``(tenant, seconds ago)``. It is asked once, before the first burial:
            dispatchers come and go all day, and each would bury the first of a broken deploy anew.
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

    def stopped_by(self, verdicts: Sequence[tuple[str, bool]]) -> bool:
        """Add what became of a batch, as ``(tenant, buried)``; say whether its burials must wait.

        Raises:
            Unavailable: what was buried before could not be recalled; nothing was added.
        """
        burying = any(buried for _, buried in verdicts)
        with self._lock:
            now_s = self._now_s()
            if burying and self._recall:
                self._remember(list(self._recall()), now_s)
                self._recall = None
            for tenant, buried in verdicts:
                known = self._known(tenant)
                known.latest.append(buried)
                known.heard_s = now_s
            if burying or now_s - self._forgot_s >= FORGOTTEN_S:
                self._forget(now_s)
            burials = [sum(one.latest) for one in self._tenants.values() if self._fails(one)] if burying else []
            return sum(burials) >= LEAST and len(burials) > self._share * len(self._tenants)

    def _known(self, tenant: str) -> _Tenant:
        known = self._tenants.get(tenant)
        if known is None:
            known = _Tenant()
            if len(self._tenants) < TENANTS:
                self._tenants[tenant] = known
        return known

    def _remember(self, buried: Sequence[tuple[str, float]], now_s: float) -> None:
        """Put burials from before this line began before what it has heard since."""
        for tenant, ago_s in buried:
            known = self._known(tenant)
            if len(known.latest) < EACH:
                known.latest.appendleft(True)
            known.heard_s = max(known.heard_s, now_s - ago_s)

    def _forget(self, now_s: float) -> None:
        self._tenants = {name: one for name, one in self._tenants.items() if now_s - one.heard_s < FORGOTTEN_S}
        self._forgot_s = now_s

    def _fails(self, one: _Tenant) -> bool:
        return sum(one.latest) > self._share * len(one.latest)
