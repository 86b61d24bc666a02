"""Events to signals, scores and notices: one batch, one transaction, the same replies every time."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from events.answer import Reply, Result
from events.cloudevent import CloudEvent
from events.errors import Refused
from events.failpoint import reach
from functions.domain import engine
from functions.domain.catalog import EVENT_TYPES
from functions.domain.evaluation import Clocks
from functions.domain.plan import OwnEventType, event_type
from functions.domain.platform_events import ACCOUNTS_DUE, TICK, UNSENT_FOR, UNSENT_UNTIL, due, signal_recorded
from functions.domain.sales import TENANT, sales_event
from functions.domain.signal import Signal
from functions.domain.state import Changes
from functions.ports import Recorded, SignalStore
from functions.process import merges
from functions.process.merges import Merge
from functions.web.batch import refusal

#: Not 409, which is tried again; what was recorded will not change.
OTHER_CONTENT = Refused(
    "Conflict", status=422, detail="an event with this source and id, and other content, was processed before"
)


#: Accounts that are due and looked at in one transaction, and the seconds until the next one while there are more.
MOST_DUE, AGAIN_S = 1_000, 0.1


class Clock(NamedTuple):
    """What the clock says: the type of its event, and its moment."""

    type: str
    at: datetime


class Due(NamedTuple):
    """What came of accounts that were due, and whether there may be more."""

    recorded: Recorded
    more: bool


def process(
    events: Sequence[CloudEvent], store: SignalStore, clocks: Clocks, merge: Merge, *, copied: bool = False
) -> list[Result]:
    """Record a batch and answer each event with the signal and the notices it led to, a tick with forgotten ones.

    Args:
        clocks: what the evaluation of rules is measured by.
        merge: see :meth:`functions.adapters.postgres.merges.PostgresMerges.apply`.
        copied: whether somebody copies signals for search, and has to be told of them.

    Raises:
        Unavailable: nothing was recorded; the same batch again is safe.
    """
    own = store.own_event_types(_tenants_with_own_types(events))
    read = [_read(event, own) for event in events]
    signals = [each for each in read if isinstance(each, Signal)]
    recorded = record([each for each in signals if each.event.other_account is None], store, clocks)
    for number, what in enumerate(read):
        if isinstance(what, Signal) and what.event.other_account is not None:
            read[number] = merges.recorded(what, merge, recorded)
    reach("process.committed")
    return [
        _of_clock(what, store, clocks, copied=copied)
        if isinstance(what, Clock)
        else _result(what, recorded, copied=copied)
        for what in read
    ]


def record(signals: Sequence[Signal], store: SignalStore, clocks: Clocks) -> Recorded:
    """Store signals, advance their accounts' scores, evaluate the rules and write notices: all or nothing."""
    return merges.settled(lambda: _recorded(signals, store, clocks)) if signals else Recorded({}, {})


def _recorded(signals: Sequence[Signal], store: SignalStore, clocks: Clocks) -> Recorded:
    with store.batch() as batch:
        new, recorded = batch.insert(signals)
        if new:  # last: others wait for the accounts that this locks
            changes = engine.advance(batch.lock(new), new, clocks)
            first = batch.write(changes, new)
            _note(recorded, changes, first)
    return recorded


def look_at_due(store: SignalStore, until: datetime, clocks: Clocks) -> Due:
    """Find what silence has brought to accounts by a moment: up to ``MOST_DUE`` of them, all or nothing."""
    recorded = Recorded({}, {})
    with store.batch() as batch:
        state = batch.lock_due(until, MOST_DUE)
        count = len(state.accounts)
        if count:
            changes = engine.pass_time(state, until, clocks)
            _note(recorded, changes, batch.write(changes, ()))
    return Due(recorded, more=count == MOST_DUE)


def _note(recorded: Recorded, changes: Changes, first: Collection[UUID]) -> None:
    """Note what a batch led to, by the events that caused it; what the clock has found causes itself.

    Args:
        first: the notices that were not on record before.
    """
    for signal in sorted(changes.insights, key=lambda each: each.event.id):
        cause = changes.causes.get(signal.event.id, signal.event.id)
        recorded.insights.setdefault((signal.event.tenant_id, cause), []).append(signal.event.id)
    for notice in changes.notices:
        if notice.id in first and not notice.quiet:
            cause = changes.causes.get(notice.event_id, notice.event_id)
            recorded.notices.setdefault((notice.tenant_id, cause), []).append(notice.id)


def _tenants_with_own_types(events: Sequence[CloudEvent]) -> set[str]:
    """The tenants of events whose type is not the platform's; of most batches there are none to ask about."""
    unknown = (event for event in events if event.type not in EVENT_TYPES)
    return {tenant for event in unknown if (tenant := event.extension(TENANT))}


def _read(event: CloudEvent, own: Mapping[str, Mapping[str, OwnEventType]]) -> Signal | Clock | Refused:
    """What an event means: a signal, what the clock says, or nothing."""
    tenant = event.extension(TENANT)
    if event.type in {TICK, ACCOUNTS_DUE} and tenant is None and (at := event.occurred_at()):
        return Clock(event.type, at)
    types = own.get(tenant or "", {})
    try:
        return Signal.of(sales_event(event, lambda name: event_type(name, types)))
    except Refused as exc:
        return exc


def _of_clock(clock: Clock, store: SignalStore, clocks: Clocks, *, copied: bool) -> Result:
    if clock.type == TICK:
        until = clock.at - UNSENT_FOR
        forgotten = store.forgotten_notices(clock.at - UNSENT_UNTIL, until)
        return Result(status=200, replies=[due(tenant, notice) for tenant, notice in forgotten])
    found = look_at_due(store, clock.at, clocks)
    identities = dict.fromkeys([*found.recorded.insights, *found.recorded.notices])
    replies = [reply for identity in identities for reply in _told(identity, found.recorded, copied=copied)]
    return Result(status=200, replies=replies, again_s=AGAIN_S if found.more else 0.0)


def _result(what: Signal | Refused, recorded: Recorded, *, copied: bool) -> Result:
    match what:
        case Signal() if recorded.differs(what):
            return refusal(OTHER_CONTENT)
        case Signal():
            return Result(status=200, replies=_replies(what, recorded, copied=copied))
        case Refused():
            return refusal(what)


def _replies(signal: Signal, recorded: Recorded, *, copied: bool) -> list[Reply]:
    event = signal.event
    replies = [signal_recorded(event.tenant_id, event.id)] if copied else []
    return replies + _told((event.tenant_id, event.id), recorded, copied=copied)


def _told(identity: tuple[str, str], recorded: Recorded, *, copied: bool) -> list[Reply]:
    """Return what others are told of what an event led to."""
    tenant, _ = identity
    ids = [*recorded.insights.get(identity, ()), *recorded.moved.get(identity, ())] if copied else []
    replies = [signal_recorded(tenant, each) for each in ids]
    return replies + [due(tenant, notice) for notice in recorded.notices.get(identity, ())]
