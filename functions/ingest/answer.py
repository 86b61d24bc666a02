"""What senders get: decisions on events, put into answers."""

from __future__ import annotations

import math
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic_core import to_json

from events.errors import Refused
from functions.domain.plan import Monthly
from functions.web import problem
from functions.web.answer import Answer
from functions.web.unhurried import unhurried

#: Seconds after which a full queue is worth another try.
FULL_RETRY_S = 5


@dataclass(frozen=True, slots=True)
class Accepted:
    """One event that is durably stored, now or by an earlier request."""

    id: str
    duplicate: bool


@dataclass(frozen=True, slots=True)
class Declined:
    """One event that is not stored.

    Args:
        id: what it would be known by, or is where other content has its place; empty where it could not be read.
        why: that decides on it.
    """

    id: str
    why: Refused


Decision = Accepted | Declined

CONFLICT = Refused(
    "Conflict", status=409, detail="an event with this source and id, and other content, was accepted before"
)
QUOTA = Refused("Monthly limit reached", status=429, detail="this month's limit is reached; this event was not stored")
RATE = Refused("Too many events", status=429, detail="the rate limit is reached; this event was not stored, try again")
FULL = Refused("Service unavailable", status=503, detail="the queue is full; this event was not stored, try again")
SHARE = Refused(
    "Service unavailable",
    status=503,
    detail="as many bytes of this tenant's events wait as may; this event was not stored, try again",
)
LETTERS = Refused(
    "Service unavailable",
    status=503,
    detail="as many bytes of this tenant's events wait as may, and most are dead letters: redrive or purge them;"
    " this event was not stored",
)


NO_MONTHLY = Monthly()


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """How a tenant stands with its limits after a request.

    Args:
        now: when that was.
        used: events this month.
        monthly: the month's limits.
        limit: the burst of the scarcer rate, events; None where no rate is set, and then the rest means nothing.
        left: events that fit at once now.
        full_s: seconds until the whole burst fits again.
        next_s: seconds until one more event fits.
    """

    now: datetime
    used: int = 0
    monthly: Monthly = NO_MONTHLY
    limit: int | None = None
    left: int = 0
    full_s: float = 0.0
    next_s: float = 0.0

    def headers(self) -> dict[str, str]:
        """Return the headers that every answer has."""
        headers: dict[str, str] = {}
        if self.limit is not None:
            headers["ratelimit-limit"] = str(self.limit)
            headers["ratelimit-remaining"] = str(max(0, self.left))
            headers["ratelimit-reset"] = str(math.ceil(self.full_s))
        if self.monthly.soft is not None and self.used > self.monthly.soft:
            headers["x-quota-warning"] = "soft-limit"
        return headers

    def quota_headers(self) -> dict[str, str]:
        """Return the headers of a refusal by the month's limit: that limit, and when the next month begins."""
        this_month = self.now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        next_month = (this_month + timedelta(days=32)).replace(day=1)
        left = str(math.ceil((next_month - self.now).total_seconds()))
        return {
            "retry-after": left,
            "ratelimit-limit": str(self.monthly.hard),
            "ratelimit-remaining": "0",
            "ratelimit-reset": left,
        }


#: Of a tenant without limits there is nothing to say.
UNLIMITED = Meter(now=datetime.max.replace(tzinfo=UTC))


def refused(refusal: Refused, meter: Meter = UNLIMITED) -> Answer:
    """Return the refusal of a whole request, with the time when another try may succeed."""
    return problem.refused(refusal).adding(_limit_headers({refusal}, meter))


def above_rate(meter: Meter, next_s: float) -> Refused:
    """Return the 429 of a batch that is not read, because of its events none would fit.

    Args:
        meter: of the answer by which that is known.
        next_s: seconds until one more event fits, by now.
    """
    now = replace(meter, left=0, full_s=meter.full_s - meter.next_s + next_s, next_s=next_s)
    return Refused(
        RATE.title,
        status=RATE.status,
        detail="the rate limit is reached; this batch was not read, try again",
        headers=_limit_headers({RATE}, now),
    )


def not_allowed(methods: str) -> Answer:
    """Return the 405 that names the methods of a path."""
    detail = f"this path takes {methods}"
    return problem.refused(Refused("Method not allowed", status=405, detail=detail, headers={"allow": methods}))


async def single(decisions: Sequence[Decision], meter: Meter) -> Answer:
    """Return the answer to a request with one event."""
    (decision,) = decisions
    if isinstance(decision, Declined):
        return refused(decision.why, meter)
    duplicate = b"true" if decision.duplicate else b"false"
    body = b'{"status":"accepted","id":"%s","duplicate":%s}' % (decision.id.encode(), duplicate)
    return Answer(202, body, headers=meter.headers())


async def batch(decisions: Sequence[Decision], meter: Meter) -> Answer:
    """Return the answer to a batch, a result for each event: 207 where some were refused, no 2xx where all were."""
    accepted = [decision for decision in decisions if isinstance(decision, Accepted)]
    reasons = {decision.why for decision in decisions if isinstance(decision, Declined)}
    body = {
        "status": "accepted" if accepted or not reasons else "refused",
        "accepted": len(accepted),
        "duplicates": sum(decision.duplicate for decision in accepted),
        "rejected": len(decisions) - len(accepted),
        "results": await unhurried(result(index, decision) for index, decision in enumerate(decisions)),
    }
    return Answer(_batch_status(len(accepted), reasons), to_json(body), headers=_limit_headers(reasons, meter))


def _batch_status(accepted: int, reasons: Set[Refused]) -> int:
    """Return 422 for a batch refused whole, or the status that its events share: many senders look at nothing else."""
    if not reasons:
        return 202
    if accepted:
        return 207
    statuses = {why.status for why in reasons}
    return statuses.pop() if len(statuses) == 1 else 422


def _limit_headers(reasons: Set[Refused], meter: Meter) -> dict[str, str]:
    """Return the headers about limits; of several that refused, those of the one that lasts longest."""
    headers = meter.headers()
    if reasons & {FULL, SHARE, LETTERS}:
        headers["retry-after"] = str(FULL_RETRY_S)
    if RATE in reasons:
        headers["retry-after"] = str(max(1, math.ceil(meter.next_s)))
    if QUOTA in reasons:
        headers |= meter.quota_headers()
    return headers


def result(index: int, decision: Decision) -> dict[str, Any]:
    """Return what is said of one event of a batch."""
    if isinstance(decision, Accepted):
        return {"index": index, "id": decision.id, "status": 202, "duplicate": decision.duplicate}
    why = decision.why
    return {
        "index": index,
        "id": decision.id or None,
        "status": why.status,
        "duplicate": False,
        "title": why.title,
        "detail": problem.fields(why)["detail"],
        "pointer": why.faults[0].pointer if why.faults else "",
    }
