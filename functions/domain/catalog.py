"""The event types the platform knows: what each means and what it is worth. docs/scoring.md explains the numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

#: Which sum an event adds to. ``buyer`` and ``rep`` are scores; what adds to another one counts for none.
Side = Literal["buyer", "rep", "capped", "unverified", "retracted"]
#: The sides that are scores: engagement and effort.
SIDES: tuple[Side, Side] = ("buyer", "rep")

#: Every platform type begins so; without it and with underscores it is the type's alias.
PREFIX = "io.sspp."
#: The event type of an insight begins so: the platform finds them, nobody sends them.
INSIGHT = PREFIX + "insight."
#: The signal type of an event that says that two accounts are one customer, or are two again.
MERGE = "merge"
#: The signal type of an event that says what an account's or a contact's attributes are, and nothing else.
ATTRIBUTES = "attributes"
#: The signal type of an event that takes another one back.
CORRECTION = "correction"


@dataclass(frozen=True, slots=True)
class EventType:
    """One kind of event.

    Args:
        name: the CloudEvent type, after its prefix.
        signal: the type of signal it becomes.
        hundredths: its signal score before bonuses, in 1/100.
        points: what it adds to its side's account score; negative takes away.
        half_life_days: after so many days half of the points are left.
        side: whose doing it is: the buyer's (engagement) or our rep's (effort).
        prefix: of the CloudEvent type; a tenant's own types have none.
    """

    name: str
    signal: str
    hundredths: int
    points: int
    half_life_days: int
    side: Side = "buyer"
    prefix: str = PREFIX

    @property
    def type(self) -> str:
        """The CloudEvent type."""
        return self.prefix + self.name

    @property
    def alias(self) -> str:
        """The short form senders may use: ``demo_completed``."""
        return self.name.replace(".", "_")


ACCOUNT_UPDATED = EventType("account.updated", ATTRIBUTES, 0, 0, 1)
CONTACT_UPDATED = EventType("contact.updated", ATTRIBUTES, 0, 0, 1)
ACCOUNT_MERGED = EventType("account.merged", MERGE, 0, 0, 1)
ACCOUNT_UNMERGED = EventType("account.unmerged", MERGE, 0, 0, 1)
EVENT_RETRACTED = EventType("event.retracted", CORRECTION, 0, 0, 1)

_ALL = (
    EventType("email.sent", "outreach", 10, 5, 7, "rep"),
    EventType("email.opened", "engagement", 30, 1, 7),
    EventType("email.clicked", "high_engagement", 60, 6, 14),
    EventType("email.replied", "high_engagement", 70, 25, 30),
    EventType("email.bounced", "disengagement", 5, -5, 30),
    EventType("email.unsubscribed", "disengagement", 5, -30, 90),
    EventType("call.made", "outreach", 50, 15, 14, "rep"),
    EventType("call.connected", "high_engagement", 60, 15, 30),
    EventType("meeting.booked", "intent", 80, 40, 45),
    EventType("meeting.rescheduled", "engagement", 40, 0, 30),
    EventType("meeting.no_show", "disengagement", 10, -20, 30),
    EventType("demo.requested", "high_intent", 85, 45, 45),
    EventType("demo.completed", "high_intent", 90, 60, 60),
    EventType("page.viewed", "engagement", 20, 2, 7),
    EventType("pricing.viewed", "intent", 60, 15, 14),
    EventType("form.submitted", "intent", 65, 20, 30),
    EventType("trial.started", "high_intent", 85, 50, 45),
    EventType("proposal.viewed", "intent", 75, 30, 30),
    EventType("deal.won", "outcome", 100, 0, 1),
    EventType("deal.lost", "outcome", 0, 0, 1),
    ACCOUNT_UPDATED,
    CONTACT_UPDATED,
    ACCOUNT_MERGED,
    ACCOUNT_UNMERGED,
    EVENT_RETRACTED,
)

#: CloudEvent type or alias -> what it means.
EVENT_TYPES: Mapping[str, EventType] = {name: kind for kind in _ALL for name in (kind.type, kind.alias)}


def full_type(name: str) -> str:
    """Return the CloudEvent type that an alias stands for; any other name as it is."""
    kind = EVENT_TYPES.get(name)
    return kind.type if kind else name
