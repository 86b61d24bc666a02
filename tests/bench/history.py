"""A made-up year of twenty tenants, as the front door leaves it in the stream. Pure: seed and clock are arguments."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from pydantic_core import to_json

from events import cloudevent
from functions.domain.sales import RECEIVED, TENANT
from functions.domain.signal import instant

#: The largest tenant has this share of all events; the others have the same each.
BIG, BIG_SHARE = "tenant-00", 0.6
TENANTS = tuple(f"tenant-{number:02}" for number in range(20))
SMALL = TENANTS[-1]
ACCOUNTS = 50_000
#: The largest tenant's account with this share of its events.
HOT, HOT_SHARE = "account-00000", 0.12
SPAN = timedelta(days=365)

#: Sent in this proportion: much is looked at and mailed, little is asked for.
TYPES: dict[str, float] = {
    "page.viewed": 30,
    "email.opened": 22,
    "email.sent": 20,
    "email.clicked": 7,
    "pricing.viewed": 5,
    "call.made": 4,
    "form.submitted": 3,
    "email.replied": 2,
    "call.connected": 2,
    "proposal.viewed": 1,
    "meeting.booked": 1,
    "demo.requested": 0.8,
    "demo.completed": 0.7,
    "email.bounced": 0.6,
    "trial.started": 0.4,
    "meeting.no_show": 0.3,
    "email.unsubscribed": 0.2,
}
#: A word of every event, of half of them, of one in eight, and of :data:`RARE_TIMES` events of the largest tenant.
EVERYWHERE, HALF, SOME, RARE = "brightdesk", "email", "northwind", "zanzibar"
RARE_TIMES = 20

_SUBJECTS = ("Routes that plan themselves", "Fleet review", "Renewal in spring", "About pricing", "Next steps")
_CAMPAIGNS = (SOME, *(f"campaign-{number}" for number in range(7)))
_PAGES = ("/pricing", "/docs/start", "/blog/routes", "/customers", "/security")


class Sent(NamedTuple):
    """One event: whose and about whom it is, its signal's id, and its bytes in the stream."""

    tenant: str
    id: str
    account: str
    contact: str
    user: str
    at: datetime
    event: bytes


def events(number: int, now: datetime, seed: int = 1) -> Iterator[Sent]:
    """Yield ``number`` events of the year before ``now``, in the order they came."""
    draw = random.Random(seed)
    step = SPAN / number
    types: Iterator[str] = iter(())
    for at in range(number):
        if at % 1000 == 0:
            types = iter(draw.choices(list(TYPES), list(TYPES.values()), k=1000))
        rare = at % (number // RARE_TIMES) == 0
        yield _event(draw, next(types), now - SPAN + step * at, rare)


def _event(draw: random.Random, kind: str, at: datetime, rare: bool) -> Sent:
    tenant = BIG if rare or draw.random() < BIG_SHARE else draw.choice(TENANTS[1:])
    account = HOT if tenant == BIG and draw.random() < HOT_SHARE else _account(draw, tenant)
    contact = f"contact-{draw.randrange(500 if account == HOT else 3)}@{account}.example"
    user = f"rep-{draw.randrange(40):02}@{EVERYWHERE}.example"
    metadata = {
        "subject": draw.choice(_SUBJECTS),
        "campaign": draw.choice(_CAMPAIGNS),
        "page": draw.choice(_PAGES),
        **({"note": f"met in {RARE}"} if rare else {}),
    }
    sent = {
        "specversion": "1.0",
        "id": f"evt_{draw.getrandbits(104):026x}",
        "source": "/hubspot/portal-48213",
        "type": f"io.sspp.{kind}",
        "time": instant(at),
        "datacontenttype": "application/json",
        "data": {"accountId": account, "contactId": contact, "userId": user, "metadata": metadata},
    }
    id_ = cloudevent.event_id(tenant, str(sent["source"]), str(sent["id"]))
    stamped = cloudevent.stamp(to_json(sent), **{TENANT: tenant, RECEIVED: instant(at + timedelta(seconds=1))})
    return Sent(tenant, str(id_), account, contact, user, at, stamped)


def _account(draw: random.Random, tenant: str) -> str:
    """Any account of a tenant, the first ones more often."""
    number = int(ACCOUNTS * BIG_SHARE) if tenant == BIG else int(ACCOUNTS * (1 - BIG_SHARE) / (len(TENANTS) - 1))
    return f"account-{int(number * draw.random() ** 2):05}"
