"""What a tenant's work that stores nothing may cost this process, and what a key's may."""

from __future__ import annotations

import math
from collections.abc import Sequence

from events.errors import Refused
from functions.ingest.answer import Decision, Declined
from functions.ingest.keys import Sender
from functions.web.buckets import Buckets

#: Cost of an event that was stored before, in refused events. An honest sender that replays its last hours sends such.
DUPLICATE_COST = 0.25
#: Units a second that are free for one tenant: 25 to 65 ms of the event loop. An API key has half of it, so that one
#: broken sender leaves something to its tenant's others.
TENANT_PER_S = 2_500.0
#: Seconds of that a tenant may spend at once: ten batches of 1,000 refused events, five with one key.
BURST_S = 4.0


def cost(refused: float, size: float) -> float:
    """Return the cost of refused work in units: a refused event is one, and so is each KiB. Measured: 14 to 26 us.

    Args:
        size: bytes, unpacked.
    """
    return refused + size / 1024


def cost_of(decisions: Sequence[Decision], size: int) -> float:
    """Return the cost of a request of ``size`` bytes: of those of its events that were not stored by it."""
    refused = 0.0
    for decision in decisions:
        if isinstance(decision, Declined):
            refused += 1
        elif decision.duplicate:
            refused += DUPLICATE_COST
    return cost(refused, size * refused / len(decisions)) if refused else 0.0


class Allowance:
    """What each of some names may cost: a bucket of ``per_s`` units a second, full after ``burst_s`` seconds."""

    def __init__(self, per_s: float, burst_s: float) -> None:
        self._per_s = per_s
        self._burst_s = burst_s
        self._buckets: Buckets[float] = Buckets()

    def debt_s(self, name: str, now: float) -> float:
        """Return the seconds until the bucket is out of debt; 0 or less when it is not in debt.

        Args:
            now: seconds, monotonic.
        """
        return self._buckets.until_full(name, now) - self._burst_s

    def charge(self, name: str, units: float, now: float) -> None:
        """Take ``units`` out of the bucket, which may leave it in debt."""
        self._buckets.take(name, units / self._per_s, now)

    def refusal(self, debt_s: float) -> Refused:
        """Return the 429 for a bucket that is in debt for so long."""
        return Refused(
            "Too many refused events",
            status=429,
            detail="too much was sent that is refused or was sent before; this request was not read, try again",
            headers={
                "retry-after": str(max(1, math.ceil(debt_s))),
                "ratelimit-limit": str(round(self._per_s * self._burst_s)),
                "ratelimit-remaining": "0",
                "ratelimit-reset": str(math.ceil(debt_s + self._burst_s)),
            },
        )


class Budget:
    """The allowances of all tenants and keys. Work is charged when it is done, so one request may leave a debt."""

    def __init__(self) -> None:
        self._tenants = Allowance(TENANT_PER_S, BURST_S)
        self._keys = Allowance(TENANT_PER_S / 2, BURST_S)

    def check(self, sender: Sender, now: float) -> None:
        """Make sure that the sender is not in debt.

        Args:
            now: seconds, monotonic.

        Raises:
            Refused: 429.
        """
        tenant_s = self._tenants.debt_s(sender.grant.tenant_id, now)
        key_s = self._keys.debt_s(sender.key_digest, now)
        if tenant_s > 0 or key_s > 0:
            raise self._tenants.refusal(tenant_s) if tenant_s > key_s else self._keys.refusal(key_s)

    def charge(self, sender: Sender, units: float, now: float) -> None:
        """Charge work that stored nothing; see :meth:`check`."""
        self._tenants.charge(sender.grant.tenant_id, units, now)
        self._keys.charge(sender.key_digest, units, now)
