"""The outbox: which due notices are sent now, which wait, and which are summed up in a digest. Pure decisions.

Notices are a transactional outbox: written in the transaction of the signal, and sent later by the worker that
claims them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID, uuid5

_DIGEST = UUID("6f0f9a8e-2f0b-5a57-9a53-55cfb1f7ab0e")

#: What the cap counts mails within, and the least time between two digests to one recipient.
WINDOW = timedelta(hours=1)
#: How long a digest collects before it is sent, so that a burst becomes one.
COLLECT = timedelta(seconds=15)


class Key(NamedTuple):
    """The identity of a notice."""

    tenant_id: str
    id: str


class Addressee(NamedTuple):
    """A person as one tenant reaches them: what the cap is counted for."""

    tenant_id: str
    recipient: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a notice stands; of one that was summed up, how its digest does.

    Args:
        notice: what the event names.
        target: what is sent for it: itself, or its digest.
        busy_until: another worker has it, or its next attempt is not due, until then.
        attempts: how often it was tried.
    """

    notice: Key
    target: Key
    recipient: str | None
    event_id: str | None
    is_digest: bool = False
    sent: bool = False
    quiet: bool = False
    busy_until: datetime | None = None
    attempts: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """The mails that an addressee has got, and is about to get.

    Args:
        mails: notices sent within the last :data:`WINDOW`, and those on their way.
        open_digest: the digest that still collects.
        last_digest: when the latest digest was or will be sent.
    """

    mails: int = 0
    open_digest: str | None = None
    last_digest: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """A digest that begins to collect; its id follows from the first notice in it."""

    key: Key
    recipient: str
    event_id: str | None
    due_at: datetime


@dataclass(slots=True)
class Decisions:
    """What to do with a batch of due notices.

    Args:
        claimed: what is to be sent now, by its key.
        waits: notice -> when to ask again.
        ended: notice -> why nothing is to be done.
        summed_up: notice -> the digest it joins.
        digests: those that are new.
    """

    claimed: dict[Key, Standing] = field(default_factory=dict)
    waits: dict[Key, datetime] = field(default_factory=dict)
    ended: dict[Key, str] = field(default_factory=dict)
    summed_up: dict[Key, Key] = field(default_factory=dict)
    digests: list[Digest] = field(default_factory=list)


def decide(
    standings: Iterable[Standing], traffic: Mapping[Addressee, Traffic], now: datetime, mails_per_hour: int
) -> Decisions:
    """Decide on each notice of a batch.

    Args:
        mails_per_hour: the most mails an addressee gets within an hour; further ones are summed up. 0: no limit.
    """
    decisions, known = Decisions(), dict(traffic)
    for standing in standings:
        if reason := _ended(standing):
            decisions.ended[standing.notice] = reason
        elif standing.busy_until is not None and standing.busy_until > now:
            decisions.waits[standing.notice] = standing.busy_until
        elif standing.target in decisions.claimed:
            continue
        else:
            addressee = Addressee(standing.target.tenant_id, standing.recipient or "")
            here = known.get(addressee, Traffic())
            known[addressee] = _admit(decisions, standing, here, now, mails_per_hour)
    return decisions


def _ended(standing: Standing) -> str:
    if standing.sent:
        return "sent before"
    if standing.quiet or standing.recipient is None:
        return "on record only"
    return ""


def _admit(decisions: Decisions, standing: Standing, here: Traffic, now: datetime, mails_per_hour: int) -> Traffic:
    """Claim a notice or sum it up. Returns: what its addressee gets from then on."""
    if standing.is_digest or not mails_per_hour or here.mails < mails_per_hour:
        decisions.claimed[standing.target] = standing
        return here if standing.is_digest else replace(here, mails=here.mails + 1)
    if here.open_digest is not None:
        decisions.summed_up[standing.notice] = Key(standing.notice.tenant_id, here.open_digest)
        decisions.ended[standing.notice] = "summed up"
        return here
    digest = _digest(standing, here, now)
    decisions.digests.append(digest)
    decisions.summed_up[standing.notice] = digest.key
    # The event of the first notice comes back for the digest; those of the others have nothing more to do.
    decisions.waits[standing.notice] = digest.due_at
    return replace(here, open_digest=digest.key.id, last_digest=digest.due_at)


def _digest(first: Standing, here: Traffic, now: datetime) -> Digest:
    due_at = now + COLLECT
    if here.last_digest is not None:
        due_at = max(due_at, here.last_digest + WINDOW)
    id_ = str(uuid5(_DIGEST, f"{first.notice.tenant_id}\n{first.notice.id}"))
    return Digest(
        key=Key(first.notice.tenant_id, id_),
        recipient=first.recipient or "",
        event_id=first.event_id,
        due_at=due_at,
    )


def next_attempt_s(attempts: int, delays_s: Sequence[float]) -> float | None:
    """Return the seconds until the next try after ``attempts`` that failed; None when it is given up."""
    return delays_s[attempts - 1] if attempts <= len(delays_s) else None
