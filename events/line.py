"""Stop the line: when most of what was delivered lately is to be buried, a deploy is broken and not the events."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

#: How many of a tenant's latest verdicts are judged.
EACH = 100
#: Fewer burials than this say nothing.
LEAST = 20
#: A tenant nothing was delivered of for so long says nothing.
FORGOTTEN_S = 600.0


@dataclass(slots=True)
class _Tenant:
    """A tenant's latest verdicts, whether each was a burial, and when the last came."""

    latest: deque[bool] = field(default_factory=lambda: deque(maxlen=EACH))
    heard_s: float = 0.0


class Line:
    """The latest verdicts of one channel, tenant by tenant.

    Every tenant counts alike, however much it sends: one who sends what can never succeed does not stop the line
    for the others.

    Args:
        share: the share of a tenant's verdicts, and of the tenants, that may fail; 1.0 never stops.
        now_s: a clock that only goes forward, in seconds.
    """

    def __init__(self, share: float, now_s: Callable[[], float]) -> None:
        self._share = share
        self._now_s = now_s
        self._lock = threading.Lock()
        self._tenants: dict[str, _Tenant] = {}

    def stopped_by(self, verdicts: Sequence[tuple[str, bool]]) -> bool:
        """Add what became of a batch, as ``(tenant, buried)``; say whether its burials must wait."""
        with self._lock:
            now_s = self._now_s()
            for tenant, buried in verdicts:
                known = self._tenants.setdefault(tenant, _Tenant())
                known.latest.append(buried)
                known.heard_s = now_s
            if not any(buried for _, buried in verdicts):
                return False
            self._tenants = {name: one for name, one in self._tenants.items() if now_s - one.heard_s < FORGOTTEN_S}
            burials = [sum(one.latest) for one in self._tenants.values() if self._fails(one)]
            return sum(burials) >= LEAST and len(burials) > self._share * len(self._tenants)

    def _fails(self, one: _Tenant) -> bool:
        return sum(one.latest) > self._share * len(one.latest)
