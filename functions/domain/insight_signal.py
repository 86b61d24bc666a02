"""The signal that an insight becomes: found, listed and named by rules like the signal of an event."""

from __future__ import annotations

from datetime import datetime

from events import content
from functions.domain.catalog import EventType
from functions.domain.following import Insight
from functions.domain.insight import SIGNAL
from functions.domain.insights import KINDS
from functions.domain.platform_events import SOURCE
from functions.domain.sales import QUIET, SalesEvent
from functions.domain.signal import Signal, instant

#: By the name of the kind; worth nothing, whatever a model says.
EVENT_TYPES = {kind.name: EventType(f"insight.{kind.name}", SIGNAL, 0, 0, 1) for kind in KINDS}


def signal_of(insight: Insight, found_at: datetime, *, quiet: bool) -> Signal:
    """Return the signal of an insight.

    Args:
        quiet: nobody is told of what it leads to.
    """
    kind = EVENT_TYPES[insight.kind]
    said = {"accountId": insight.account_id, "contactId": insight.contact_id, "metadata": dict(insight.evidence)}
    data = {name: value for name, value in said.items() if value is not None}
    sent = {
        "specversion": "1.0",
        "id": insight.id,
        "source": SOURCE,
        "type": kind.type,
        "time": instant(insight.opened_at),
        "data": data,
        **({QUIET: True} if quiet else {}),
    }
    event = SalesEvent(
        id=insight.id,
        tenant_id=insight.tenant_id,
        source=SOURCE,
        source_id=insight.id,
        kind=kind,
        account_id=insight.account_id,
        contact_id=insight.contact_id,
        user_id=None,
        occurred_at=insight.opened_at,
        received_at=found_at,
        sent=sent,
        data=data,
        content=content.hash_of(dict(sent), ()),
    )
    return Signal(event, 0, tuple(insight.reasons))
