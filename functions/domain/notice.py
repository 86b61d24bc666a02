"""A notice: a message that somebody is to get, with an identity that a retry computes again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal
from uuid import UUID, uuid5

from functions.domain.plan import Plan

_NOTICE = UUID("0d3a3c4e-54c7-5d55-8a5e-0c9d5f3f8f11")

#: Shares of the month's limit, in per cent, at which a tenant is told.
QUOTA_THRESHOLDS = (80, 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Who is to be told what, because of which event, as of when.

    Args:
        kind: whether a rule wants it or the tenant's quota does; what follows is the rule's.
        recipient: None where nobody has said whom to tell: it is on record all the same.
        engagement: the account's score when the rule fired, 0-100.
        quiet: the sender marked the event so: it is on record, and nobody is told.
    """

    id: UUID
    tenant_id: str
    kind: Literal["rule", "quota"]
    title: str
    recipient: str | None
    event_id: str
    at: datetime
    rule_id: str | None = None
    rule_version: int | None = None
    account_id: str | None = None
    episode: int | None = None
    engagement: float | None = None
    quiet: bool = False


def rule_notice_id(tenant_id: str, rule_id: str, version: int, account_id: str, episode: int) -> UUID:
    """The identity of a rule's notice: one an episode."""
    return uuid5(_NOTICE, f"{tenant_id}\n{rule_id}\n{version}\n{account_id}\n{episode}")


def quota_notices(
    tenant_id: str, plan: Plan, contact: str | None, month: date, counts: tuple[int, int], event: tuple[str, datetime]
) -> list[Notice]:
    """Give the notices of the thresholds that were reached: one a threshold and month.

    Args:
        counts: the month's events before and after.
        event: the id and the time of the event that is told of as the cause.
    """
    limit = plan.monthly.hard if plan.monthly.hard is not None else plan.monthly.soft
    if limit is None:
        return []
    before, after = counts
    return [
        Notice(
            id=uuid5(_NOTICE, f"{tenant_id}\nquota\n{month:%Y-%m}\n{threshold}"),
            tenant_id=tenant_id,
            kind="quota",
            title=f"{threshold} % of the {limit} events of {month:%B %Y} are used",
            recipient=contact,
            event_id=event[0],
            at=event[1],
        )
        for threshold in QUOTA_THRESHOLDS
        if before * 100 < threshold * limit <= after * 100
    ]
