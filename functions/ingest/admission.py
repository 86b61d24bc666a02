"""Admission: from events to "stored", "seen before" or "no", in one call to Redis."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from events import cloudevent, metrics
from events.cloudevent import Message
from events.content import content_hash
from events.errors import Fault, Refused, Unavailable
from events.failpoint import reach
from functions.adapters.redis.admission import Limits, Offer, RedisAdmission, State
from functions.adapters.redis.cluster import Pipe
from functions.adapters.redis.identities import CONTENT_BYTES, identity
from functions.adapters.sandbox import Sandbox
from functions.domain import sales
from functions.domain.key import unknown_key, working
from functions.domain.plan import Plan, Terms
from functions.domain.signal import instant
from functions.ingest.answer import (
    CONFLICT,
    FULL,
    LETTERS,
    QUOTA,
    RATE,
    SHARE,
    UNLIMITED,
    Accepted,
    Decision,
    Declined,
    Meter,
)
from functions.ingest.keys import KeyCache, Sender
from functions.ingest.schemas import Schemas
from functions.web.unhurried import unhurried

_REFUSALS: Mapping[bytes, Refused] = {
    b"conflict": CONFLICT,
    b"quota": QUOTA,
    b"rate": RATE,
    b"full": FULL,
    b"share": SHARE,
    b"letters": LETTERS,
}
#: Counted where the script was not asked.
_REFUSED = b"refused"
_COUNTED = {
    b"stored": metrics.INGESTED.labels("accepted"),
    **{outcome: metrics.INGESTED.labels(outcome.decode()) for outcome in (b"duplicate", *_REFUSALS, _REFUSED)},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """How events came: when, under which trace if any, and whether through a door that takes every type."""

    now: datetime
    traceparent: str | None = None
    any_type: bool = False

    def stamps(self, tenant: str) -> dict[str, str]:
        """Return the attributes that are stamped on every accepted event."""
        stamps = {sales.TENANT: tenant, sales.RECEIVED: instant(self.now)}
        if self.any_type:
            stamps[sales.ANY_TYPE] = "1"
        return stamps


class Admission:
    """The front door's one decision.

    Args:
        redis: holds the channel, the limits' state and the key directory.
        keys: whose key it is.
        limits: see :class:`Limits`.
        stored: called each time something was stored; see :class:`events.wake.Waker`.
    """

    def __init__(self, redis: Pipe, keys: KeyCache, limits: Limits, stored: Callable[[], None] = lambda: None) -> None:
        self._script = RedisAdmission(redis, limits)
        self._schemas = Schemas(Sandbox(), time.monotonic)
        self._keys = keys
        self._stored = stored

    async def sender(self, key: str, now: datetime) -> Sender:
        """Return the sender that ``key`` belongs to.

        Raises:
            Refused: 401 for every key that does not work.
            Unavailable: nothing can be said about any key now.
        """
        try:
            sender = await self._keys.find(key, now)
        except Unavailable as exc:
            exc.sent = False  # a key was asked for; nothing was sent that could be stored
            raise
        if sender is None:
            raise unknown_key()
        working(sender.grant, now)
        return sender

    async def decide(
        self, sender: Sender, messages: Sequence[Message | Refused], arrival: Arrival
    ) -> tuple[list[Decision], Meter]:
        """Check every event, then let one script call decide on those that may come in, in their order.

        Raises:
            Unavailable: nothing was stored, unless ``sent`` says that it may have been.
        """
        judged = await unhurried(_judged(messages, sender, any_type=arrival.any_type))
        ids, checked = [id_ for id_, _ in judged], [message for _, message in judged]
        if sender.terms.types:
            checked = await self._schemas.checked(checked, sender.terms)
        offered = [(id_, message) for id_, message in zip(ids, checked, strict=True) if isinstance(message, Message)]
        if offered:
            answers, meter = await self._publish(sender, offered, arrival)
        else:
            answers, meter = [], sender.meter(arrival.now)
        answered = iter(answers)
        said = [next(answered) if isinstance(message, Message) else message for message in checked]
        outcomes = [_REFUSED if isinstance(what, Refused) else what for what in said]
        for outcome in set(outcomes):
            _COUNTED[outcome].inc(outcomes.count(outcome))
        return [_decision(id_, what) for id_, what in zip(ids, said, strict=True)], meter

    async def ping(self) -> None:
        """Raise :class:`Unavailable` unless Redis answers, keeps what it acknowledges and has the key directory."""
        await self._keys.check()

    async def depth(self) -> int:
        """See :meth:`RedisAdmission.depth`."""
        return await self._script.depth()

    async def memory(self) -> dict[str, int]:
        """See :meth:`RedisAdmission.memory`."""
        return await self._script.memory()

    async def _publish(
        self, sender: Sender, offered: Sequence[tuple[str, Message]], arrival: Arrival
    ) -> tuple[list[bytes], Meter]:
        place = sender.place
        if place is None or place.month != arrival.now.month:
            tenant, plan = sender.grant.tenant_id, sender.terms.plan
            place = sender.place = self._script.place(tenant, sender.key_digest, plan, arrival.now)
        offers = await unhurried(_offers(sender.grant.tenant_id, offered, arrival))
        answers, state = await self._script.admit(place, offers)
        if state is None:
            return answers, sender.meter(arrival.now)
        reach("ingest.stored")
        if b"stored" in answers:
            self._stored()
        sender.used = state.used
        return answers, _meter(state, sender.terms.plan, arrival.now)


def _judged(
    messages: Iterable[Message | Refused], sender: Sender, *, any_type: bool
) -> Iterator[tuple[str, Message | Refused]]:
    for message in messages:
        yield _identity(sender.grant.tenant_id, message), _checked(message, sender.terms, any_type=any_type)


def _identity(tenant: str, message: Message | Refused) -> str:
    """Return the id of an event; empty where it could not be read."""
    if isinstance(message, Refused):
        return ""
    return cloudevent.event_id(tenant, message.event.source, message.event.id)


def _offers(tenant: str, offered: Iterable[tuple[str, Message]], arrival: Arrival) -> Iterator[Offer]:
    stamps = arrival.stamps(tenant)
    plain = traced = cloudevent.ending(stamps)
    if arrival.traceparent is not None:
        traced = cloudevent.ending({**stamps, "traceparent": arrival.traceparent, cloudevent.TRACED: "1"})
    for id_, message in offered:
        untraced = message.event.extension("traceparent") is None  # a trace that the sender put into the event stays
        event = cloudevent.stamped(message.raw, traced if untraced else plain)
        yield Offer(identity(tenant, id_), content_hash(message.event)[:CONTENT_BYTES], event)


def _checked(message: Message | Refused, terms: Terms, *, any_type: bool) -> Message | Refused:
    """Refuse what no function could work with, while the sender still waits for an answer."""
    if isinstance(message, Refused):
        return message
    event = message.event
    reserved = [
        Fault(cloudevent.pointer([name]), f"attributes that begin with {cloudevent.RESERVED_PREFIX} are reserved")
        for name in event.__pydantic_extra__ or ()
        if name.startswith(cloudevent.RESERVED_PREFIX)
    ]
    if reserved:
        return Refused("Malformed CloudEvent", faults=tuple(reserved))
    try:
        sales.sales_data(event, terms.event_type, any_type=any_type)
    except Refused as refusal:
        return refusal
    return message


def _meter(state: State, plan: Plan, now: datetime) -> Meter:
    if plan.unlimited:
        return UNLIMITED
    bursts = [rate.burst for rate in (plan.rate, plan.keyRate) if rate]
    return Meter(
        now=now,
        used=state.used,
        monthly=plan.monthly,
        limit=min(bursts) if bursts else None,
        left=state.left,
        full_s=state.full_us / 1e6,
        next_s=state.next_us / 1e6,
    )


def _decision(id_: str, said: bytes | Refused) -> Decision:
    """Return the decision on an event: a refusal, or what the script answered."""
    if isinstance(said, Refused):
        return Declined(id_, said)
    if said in {b"stored", b"duplicate"}:
        return Accepted(id_, duplicate=said == b"duplicate")
    return Declined(id_, _REFUSALS[said])
