"""A notice that a rule wants sent, with an identity that a retry computes again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid5

#: The namespace of all notices' ids (RFC 9562, version 5).
NAMESPACE = UUID("0d3a3c4e-54c7-5d55-8a5e-0c9d5f3f8f11")


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A message to one recipient, with the rule, the event and the account that caused it.

    Args:
        engagement: the account's score when the rule fired, 0-100.
        quiet: the sender marked the event so: the notice is recorded and not sent.
    """

    id: UUID
    tenant_id: str
    title: str
    recipient: str
    event_id: str
    at: datetime
    rule_id: str
    rule_version: int
    account_id: str
    episode: int
    engagement: float
    quiet: bool = False


def rule_notice_id(tenant_id: str, rule_id: str, version: int, account_id: str, episode: int) -> UUID:
    """Return the id of a rule's notice: one for each episode."""
    return uuid5(NAMESPACE, f"{tenant_id}\n{rule_id}\n{version}\n{account_id}\n{episode}")
