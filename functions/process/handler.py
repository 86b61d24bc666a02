"""Events to signals, scores and notices: one batch, one transaction, the same replies every time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from pydantic_core import to_json

from events.cloudevent import Message
from events.delivery import Reply, Result
from events.errors import Refused
from functions.domain import signal as signals_
from functions.domain.catalog import EVENT_TYPES
from functions.domain.plan import OwnEventType, event_type
from functions.domain.sales import TENANT, sales_event
from functions.domain.signal import Signal
from functions.ports import Recorded, SignalStore
from functions.web.batch import refusal

SOURCE = "/sspp/process"
SIGNAL_RECORDED = "io.sspp.signal.recorded"
NOTICE_DUE = "io.sspp.notice.due"


def process(messages: Sequence[Message], store: SignalStore) -> list[Result]:
    """Record a batch and answer each event with the signal and the notices it led to.

    Raises:
        Unavailable: nothing was recorded; the same batch again is safe.
    """
    own = store.own_event_types(_tenants_with_own_types(messages))
    read = [_signal(message, own) for message in messages]
    recorded = store.record([signal for signal in read if isinstance(signal, Signal)])
    return [
        Result(status=200, replies=_replies(signal, recorded)) if isinstance(signal, Signal) else refusal(signal)
        for signal in read
    ]


def _tenants_with_own_types(messages: Sequence[Message]) -> set[str]:
    """The tenants of events whose type is not the platform's; of most batches there are none to ask about."""
    unknown = (message.event for message in messages if message.event.type not in EVENT_TYPES)
    return {tenant for event in unknown if (tenant := event.extension(TENANT))}


def _signal(message: Message, own: Mapping[str, Mapping[str, OwnEventType]]) -> Signal | Refused:
    types = own.get(message.event.extension(TENANT) or "", {})
    try:
        return Signal.of(sales_event(message.event, lambda name: event_type(name, types)))
    except Refused as exc:
        return exc


def _replies(signal: Signal, recorded: Recorded) -> list[Reply]:
    event = signal.event
    identity = (event.tenant_id, event.id)
    row = signals_.row(signal, recorded.processed_at[identity])
    replies = [Reply(channel="signals", event=_event(SIGNAL_RECORDED, event.id, event.tenant_id, row))]
    for notice in recorded.notices.get(identity, ()):
        data = {"noticeId": notice}
        replies.append(Reply(channel="notices", event=_event(NOTICE_DUE, notice, event.tenant_id, data)))
    return replies


def _event(type_: str, id_: UUID, tenant: str, data: Mapping[str, object]) -> str:
    return to_json(
        {"specversion": "1.0", "id": id_, "source": SOURCE, "type": type_, TENANT: tenant, "data": data}
    ).decode()
