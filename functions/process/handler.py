"""Events to signals, scores and notices: one batch, one transaction, the same replies every time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from events.answer import Reply, Result
from events.cloudevent import CloudEvent
from events.errors import Refused
from events.failpoint import reach
from functions.domain import engine
from functions.domain.catalog import EVENT_TYPES
from functions.domain.evaluation import Clocks
from functions.domain.plan import OwnEventType, event_type
from functions.domain.platform_events import TICK, UNSENT_FOR, UNSENT_UNTIL, due, signal_recorded
from functions.domain.sales import TENANT, sales_event
from functions.domain.signal import Signal
from functions.ports import Recorded, SignalStore
from functions.web.batch import refusal

#: Not 409, which is tried again; what was recorded will not change.
OTHER_CONTENT = Refused(
    "Conflict", status=422, detail="an event with this source and id, and other content, was processed before"
)


def process(events: Sequence[CloudEvent], store: SignalStore, clocks: Clocks, *, copied: bool = False) -> list[Result]:
    """Record a batch and answer each event with the signal and the notices it led to, a tick with forgotten ones.

    Args:
        clocks: what the evaluation of rules is measured by.
        copied: whether somebody copies signals for search, and has to be told of them.

    Raises:
        Unavailable: nothing was recorded; the same batch again is safe.
    """
    own = store.own_event_types(_tenants_with_own_types(events))
    read = [_read(event, own) for event in events]
    recorded = record([signal for signal in read if isinstance(signal, Signal)], store, clocks)
    reach("process.committed")
    return [_result(what, recorded, store, copied=copied) for what in read]


def record(signals: Sequence[Signal], store: SignalStore, clocks: Clocks) -> Recorded:
    """Store signals, advance their accounts' scores, evaluate the rules and write notices: all or nothing."""
    if not signals:
        return Recorded({}, {})
    with store.batch() as batch:
        new, recorded = batch.insert(signals)
        if new:  # last: others wait for the accounts that this locks
            changes = engine.advance(batch.lock(new), new, clocks)
            first = batch.write(changes, new)
            for notice in changes.notices:
                if notice.id in first and not notice.quiet:
                    recorded.notices.setdefault((notice.tenant_id, notice.event_id), []).append(notice.id)
    return recorded


def _tenants_with_own_types(events: Sequence[CloudEvent]) -> set[str]:
    """The tenants of events whose type is not the platform's; of most batches there are none to ask about."""
    unknown = (event for event in events if event.type not in EVENT_TYPES)
    return {tenant for event in unknown if (tenant := event.extension(TENANT))}


def _read(event: CloudEvent, own: Mapping[str, Mapping[str, OwnEventType]]) -> Signal | datetime | Refused:
    """What an event means: a signal, a moment of the clock, or nothing."""
    tenant = event.extension(TENANT)
    if event.type == TICK and tenant is None and (at := event.occurred_at()):
        return at
    types = own.get(tenant or "", {})
    try:
        return Signal.of(sales_event(event, lambda name: event_type(name, types)))
    except Refused as exc:
        return exc


def _result(what: Signal | datetime | Refused, recorded: Recorded, store: SignalStore, *, copied: bool) -> Result:
    match what:
        case Signal() if recorded.differs(what):
            return refusal(OTHER_CONTENT)
        case Signal():
            return Result(status=200, replies=_replies(what, recorded, copied=copied))
        case Refused():
            return refusal(what)
        case datetime():
            until = what - UNSENT_FOR
            forgotten = store.forgotten_notices(what - UNSENT_UNTIL, until)
            return Result(status=200, replies=[due(tenant, notice) for tenant, notice in forgotten])


def _replies(signal: Signal, recorded: Recorded, *, copied: bool) -> list[Reply]:
    event = signal.event
    identity = (event.tenant_id, event.id)
    replies = [signal_recorded(event.tenant_id, event.id)] if copied else []
    return replies + [due(event.tenant_id, notice) for notice in recorded.notices.get(identity, ())]
