"""Admission: from a request's bytes to "stored", "seen before" or "no", in one call to Redis."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import hiredis
from pydantic_core import to_json

from events import channel, cloudevent, metrics
from events.cloudevent import Message
from events.errors import Fault, Refused, Unavailable
from functions.adapters.redis.pipe import RedisPipe
from functions.domain import sales
from functions.domain.key import WRITE_EVENTS, Grant
from functions.domain.signal import instant
from functions.ingest.keys import KeyCache
from functions.web import problem

CHANNEL = "events"

CONFLICT = Refused(
    "Conflict", status=409, detail="an event with this source and id, and another body, was accepted before"
)
FULL = Refused("Service unavailable", status=503, detail="the queue is full; nothing was stored, try again")


@dataclass(frozen=True, slots=True)
class Accepted:
    """One event that is durably stored, now or by an earlier request."""

    id: str
    duplicate: bool


Decision = Accepted | Refused


@dataclass(frozen=True, slots=True)
class Answer:
    """What the sender gets."""

    status: int
    body: bytes
    content_type: str = "application/json"
    retry_after_s: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a request may hold and how long identities are remembered."""

    batch_events: int
    stream_length: int
    partitions: int
    window_s: int


class Admission:
    """The front door's one decision.

    Args:
        redis: holds the channel and the key directory.
        keys: whose key it is.
        limits: see :class:`Limits`.
    """

    def __init__(self, redis: RedisPipe, keys: KeyCache, limits: Limits) -> None:
        self._redis = redis
        self._keys = keys
        self._limits = limits

    async def authorised(self, key: str) -> Grant:
        """Give whom the key belongs to.

        Raises:
            Refused: 401 for every key that does not work, 403 for one that may not write events.
            Unavailable: nothing can be said about any key now.
        """
        grant = await self._keys.find(key)
        if grant is None:
            raise problem.UNKNOWN_KEY
        if WRITE_EVENTS not in grant.scopes:
            raise Refused("Forbidden", status=403, detail=f"this key lacks the scope {WRITE_EVENTS}")
        return grant

    async def admit(
        self, grant: Grant, content_type: str, headers: Iterable[tuple[str, str]], body: bytes, now: datetime
    ) -> Answer:
        """Decide on one request, single event or batch.

        Raises:
            Refused: the request as a whole cannot be accepted.
            Unavailable: nothing is known to be stored.
        """
        if cloudevent.media_type(content_type) == cloudevent.BATCH:
            messages = cloudevent.parse_batch(body, limit=self._limits.batch_events)
            return _batch_answer(await self._decide(grant.tenant_id, messages, now))
        message = cloudevent.parse_request(content_type, headers, body)
        return _single_answer((await self._decide(grant.tenant_id, [message], now))[0])

    async def ping(self) -> None:
        """Raise :class:`Unavailable` unless Redis answers."""
        await self._redis.execute("PING")

    async def _decide(self, tenant: str, messages: Sequence[Message | Refused], now: datetime) -> list[Decision]:
        """Check every event, then let one script call decide on those that may come in."""
        checked = [_checked(message) for message in messages]
        candidates = [message for message in checked if isinstance(message, Message)]
        ids = [str(cloudevent.event_id(tenant, message.event.source, message.event.id)) for message in candidates]
        answers = await self._publish(tenant, ids, candidates, now) if candidates else []
        decided = iter([_decision(id_, answer) for id_, answer in zip(ids, answers, strict=True)])
        decisions = [message if isinstance(message, Refused) else next(decided) for message in checked]
        for decision in decisions:
            metrics.INGESTED.labels(_outcome(decision)).inc()
        return decisions

    async def _publish(
        self, tenant: str, ids: Sequence[str], messages: Sequence[Message], now: datetime
    ) -> list[bytes]:
        partition = channel.partition_of(tenant, self._limits.partitions)
        stamps = {sales.TENANT: tenant, sales.RECEIVED: instant(now)}
        keys = [
            channel.stream_key(CHANNEL, partition),
            *(channel.seen_key(tenant, id_, partition) for id_ in ids),
        ]
        arguments: list[bytes | int] = [self._limits.stream_length, self._limits.window_s]
        for message in messages:
            arguments += (channel.body_hash(message.raw), cloudevent.stamp(message.raw, **stamps))
        script = channel.script("admit")
        try:
            answers = await self._redis.execute("EVALSHA", script.sha, len(keys), *keys, *arguments)
        except hiredis.ReplyError as exc:
            if not str(exc).startswith("NOSCRIPT"):
                raise
            answers = await self._redis.execute("EVAL", script.text, len(keys), *keys, *arguments)
        return list(answers)


def _checked(message: Message | Refused) -> Message | Refused:
    """Refuse what no function could work with, while the sender is still there to be told."""
    if isinstance(message, Refused):
        return message
    reserved = [
        Fault(
            cloudevent.pointer([name]),
            f"attributes that begin with {cloudevent.RESERVED_PREFIX} are reserved",
        )
        for name in message.event.model_extra or ()
        if name.startswith(cloudevent.RESERVED_PREFIX)
    ]
    if reserved:
        return Refused("Malformed CloudEvent", faults=tuple(reserved))
    try:
        sales.sales_data(message.event)
    except Refused as refusal:
        return refusal
    return message


def _decision(id_: str, answer: bytes) -> Decision:
    match answer:
        case b"stored":
            return Accepted(id_, duplicate=False)
        case b"duplicate":
            return Accepted(id_, duplicate=True)
        case b"conflict":
            return CONFLICT
        case b"full":
            return FULL
    raise ValueError("the admission script gave an answer this version does not know")


def _outcome(decision: Decision) -> str:
    if isinstance(decision, Accepted):
        return "duplicate" if decision.duplicate else "accepted"
    return {409: "conflict", 503: "full"}.get(decision.status, "refused")


def _single_answer(decision: Decision) -> Answer:
    if isinstance(decision, Accepted):
        duplicate = b"true" if decision.duplicate else b"false"
        return Answer(202, b'{"status":"accepted","id":"%s","duplicate":%s}' % (decision.id.encode(), duplicate))
    if decision is FULL:
        raise Unavailable("the event queue")
    raise decision


def _batch_answer(decisions: Sequence[Decision]) -> Answer:
    """Tell for each event of a batch what became of it; 207 where some were refused."""
    results = [_result(index, decision) for index, decision in enumerate(decisions)]
    accepted = [decision for decision in decisions if isinstance(decision, Accepted)]
    body = {
        "status": "accepted" if len(accepted) == len(decisions) else "partial" if accepted else "refused",
        "accepted": len(accepted),
        "duplicates": sum(decision.duplicate for decision in accepted),
        "rejected": len(decisions) - len(accepted),
        "results": results,
    }
    full = any(decision is FULL for decision in decisions)
    return Answer(202 if len(accepted) == len(decisions) else 207, to_json(body), retry_after_s=5 if full else None)


def _result(index: int, decision: Decision) -> dict[str, Any]:
    if isinstance(decision, Accepted):
        return {"index": index, "id": decision.id, "status": 202, "duplicate": decision.duplicate}
    fields = problem.fields(decision)
    result = {"index": index, "status": decision.status, "title": decision.title, "detail": fields["detail"]}
    if decision.faults:
        result["pointer"] = decision.faults[0].pointer
    return result
