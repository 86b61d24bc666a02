"""Insights about who acts: a new stakeholder, a committee, somebody who turns away."""

from __future__ import annotations

from functions.domain.insight import NEWS_DAYS, Evidence, Kind, Look, short
from functions.domain.score import DAY_US
from functions.domain.thresholds import Insights
from functions.domain.watch import NEGATIVE, Watch

#: How long somebody who turned away stays in sight, in days.
TURN_DAYS = 30


def _new_stakeholder(look: Look) -> Evidence | None:
    event = look.event
    if event is None or not event.inbound or not event.newcomer or not look.peopled:
        return None
    role = look.watch.roles.get(event.contact or "")
    return {"type": event.type, **({"role": role} if role else {})}


def _committee(look: Look) -> Evidence | None:
    limits, event = look.limits.committee, look.event
    if event is None or not (event.inbound or event.role):
        return None
    engaged = look.watch.engaged(look.at, limits.days)
    roles = {look.watch.roles.get(contact) for contact in engaged}
    if len(engaged) < limits.contacts or (len(roles) < limits.roles and roles != {None}):
        return None
    named = sorted(role for role in roles if role)
    return {"contacts": sorted(engaged), "roles": named, "days": limits.days}


def _stays_committee(look: Look) -> bool:
    limits = look.limits.committee
    return len(look.watch.engaged(look.at, limits.days)) >= limits.contacts


def _committee_due(watch: Watch, limits: Insights) -> tuple[int, ...]:
    if "committee" not in watch.open or len(watch.crew) < limits.committee.contacts:
        return ()
    return ((watch.crew[-limits.committee.contacts][1] + limits.committee.days) * DAY_US,)


def _negative_turn(look: Look) -> Evidence | None:
    return {"type": look.event.type} if look.event and look.is_of(NEGATIVE) else None


def _people(contacts: list[str]) -> str:
    return ", ".join(contacts[:-1]) + f" and {contacts[-1]}"


KINDS = (
    Kind(
        "new_stakeholder",
        lambda limits: limits.new_stakeholder,
        _new_stakeholder,
        lambda found: f"a contact who was not seen before: {short(found['type'])}",
        days=NEWS_DAYS,
        many=True,
    ),
    Kind(
        "committee",
        lambda limits: limits.committee,
        _committee,
        lambda found: (
            f"{_people(found['contacts'])} were engaged within {found['days']} days; "
            + (f"roles: {', '.join(found['roles'])}" if found["roles"] else "their roles are not known")
        ),
        stays=_stays_committee,
        due=_committee_due,
    ),
    Kind(
        "negative_turn",
        lambda limits: limits.negative_turn,
        _negative_turn,
        lambda found: f"{short(found['type'])}: the contact turns away",
        days=TURN_DAYS,
    ),
)
