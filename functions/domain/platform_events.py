"""The events that the platform publishes itself: a signal was recorded, a notice is due, what the clock says.

They carry ids. The functions that get them read the rest from PostgreSQL.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import NAMESPACE_URL, UUID, uuid5

from pydantic_core import to_json

from events.answer import Reply
from functions.domain.sales import TENANT

SOURCE = "/sspp/process"
CLOCK_SOURCE = "/sspp/clock"
SIGNAL_RECORDED = "io.sspp.signal.recorded"
NOTICE_DUE = "io.sspp.notice.due"
#: These two belong to no tenant, so they carry none: an hour has passed; accounts are due, because silence may change
#: their insights.
TICK = "io.sspp.tick"
ACCOUNTS_DUE = "io.sspp.due"

#: An unsent notice that nobody has tried to send for so long has lost its event, or its retry, with Redis. The outbox
#: sweep of each tick publishes all of them again, so that a tick that was missed costs nothing.
UNSENT_FOR = timedelta(hours=1)
#: Older unsent notices are of no use to anybody and are not swept.
UNSENT_UNTIL = timedelta(days=7)


def of_clock(type_: str, at: datetime) -> bytes:
    """Return an event of the clock as structured JSON, the same bytes for the same moment."""
    when = at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    identity = when if type_ == TICK else f"{type_} {when}"
    id_ = uuid5(NAMESPACE_URL, f"{CLOCK_SOURCE} {identity}")
    return to_json({"specversion": "1.0", "id": id_, "source": CLOCK_SOURCE, "type": type_, "time": when})


def signal_recorded(tenant: str, id_: object) -> Reply:
    """Return the event for index: the id alone, so that a search document is made from the recorded row."""
    return Reply(channel="signals", event=_event(SIGNAL_RECORDED, id_, tenant))


def due(tenant: str, notice: UUID) -> Reply:
    """Return the event for notify: a notice is to be sent."""
    return Reply(channel="notices", event=_event(NOTICE_DUE, notice, tenant, data={"noticeId": notice}))


def _event(type_: str, id_: object, tenant: str, **more: object) -> str:
    # The tenant comes last: see events.cloudevent.tenant_of.
    return to_json({"specversion": "1.0", "id": id_, "source": SOURCE, "type": type_, **more, TENANT: tenant}).decode()
