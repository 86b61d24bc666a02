"""Where an account stands among its tenant's accounts, by engagement."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import Field

from functions.api.shown import Shown
from functions.domain.spread import Spread

#: For so long the other accounts' scores are remembered; they hardly move.
REMEMBERED = timedelta(minutes=1)
#: Tenants whose accounts' scores are remembered, those asked for last.
MOST_TENANTS = 1_000


class TenantStanding(Shown):
    """Where an account stands among its tenant's accounts, by engagement, as of a minute ago at the earliest."""

    percentile: Annotated[float, Field(ge=0, le=100, description="How many in a hundred have less.")]
    p50: Annotated[float, Field(description="Half of the accounts have at most this engagement.")]
    p75: float
    p90: float
    accounts: Annotated[int, Field(description="How many it is compared with.")]
    complete: Annotated[bool, Field(description="False: with accounts as if drawn by lot, not with all.")]


class Standings:
    """Spreads of the tenants' accounts, remembered. Threads may share it.

    Args:
        read: returns a tenant's spread at a moment.
    """

    def __init__(self, read: Callable[[str, datetime], Spread]) -> None:
        self._read = read
        self._known: OrderedDict[str, tuple[datetime, Spread]] = OrderedDict()

    def among(self, tenant: str, score: float, now: datetime) -> TenantStanding:
        """Return where a score stands among a tenant's accounts."""
        spread = self._spread(tenant, now)
        return TenantStanding(
            percentile=spread.percentile(score),
            p50=spread.quantile(0.5),
            p75=spread.quantile(0.75),
            p90=spread.quantile(0.9),
            accounts=len(spread.scores),
            complete=spread.complete,
        )

    def _spread(self, tenant: str, now: datetime) -> Spread:
        found = self._known.get(tenant)
        if found is None or not found[0] <= now < found[0] + REMEMBERED:
            found = self._known[tenant] = (now, self._read(tenant, now))
            if len(self._known) > MOST_TENANTS:
                self._known.popitem(last=False)
        return found[1]
