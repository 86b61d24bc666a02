"""A tenant's month: the shares of its limit at which its contact is notified, once each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID, uuid5

from functions.domain.notice import NAMESPACE
from functions.domain.plan import Monthly

#: Shares of the month's limit, in per cent, at which a tenant is notified.
THRESHOLDS = (80, 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaNotice:
    """A notice about a tenant's month. It has no single event as its reason.

    Args:
        recipient: None if the tenant has no contact: the notice is recorded all the same.
    """

    tenant_id: str
    id: UUID
    title: str
    recipient: str | None
    created_at: datetime


def reached(
    tenant_id: str, monthly: Monthly, contact: str | None, *, used: int, month: date, now: datetime
) -> list[QuotaNotice]:
    """Return a notice for each threshold that is reached; a threshold's notice has the same id all month.

    Args:
        used: events that were accepted in the month, as the limit counts them.
        month: a day of it.
    """
    limit = monthly.hard if monthly.hard is not None else monthly.soft
    if not limit:
        return []
    return [
        QuotaNotice(
            tenant_id=tenant_id,
            id=uuid5(NAMESPACE, f"{tenant_id}\nquota\n{month:%Y-%m}\n{threshold}"),
            title=f"{threshold} % of the {limit} events of {month:%B %Y} are used",
            recipient=contact,
            created_at=now,
        )
        for threshold in THRESHOLDS
        if used * 100 >= threshold * limit
    ]
