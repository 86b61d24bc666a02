"""The doors: how each path's requests become CloudEvents, and how it puts decisions into answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, ValidationError
from pydantic_core import PydanticCustomError, to_json

from events import cloudevent
from events.cloudevent import Message
from events.errors import Fault, Refused
from functions.domain.sales import Name
from functions.ingest import answer
from functions.ingest.answer import Accepted, Answer, Decision, Meter

#: Where events of the two JSON doors say they come from: part of their identity, so never the sender's to choose.
RECORD_SOURCE = "/api/v1/events"
ANY_SOURCE = "/api/events"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request, its body read.

    Args:
        headers: names in lower case; of a name that came twice, the last.
        random_id: draws an id for an event that has nothing to derive one from.
    """

    headers: Mapping[str, str]
    body: bytes
    batch_events: int
    random_id: Callable[[], str]

    @property
    def content_type(self) -> str:
        """As it came; empty when there was none."""
        return self.headers.get("content-type", "")


Model = TypeVar("Model", bound=BaseModel)
Messages = Sequence[Message | Refused]
Render = Callable[[Sequence[Decision], Meter, int | None], Answer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """One way in.

    Args:
        open: reads a request's events; raises Refused when the request as a whole is no good.
        render: puts the decisions on them into an answer, given how the tenant stands and its hard limit.
        any_type: whether types that nobody knows are let in.
    """

    open: Callable[[Request], tuple[Messages, Render]]
    any_type: bool = False


def _cloudevents(request: Request) -> tuple[Messages, Render]:
    if cloudevent.media_type(request.content_type) == cloudevent.BATCH:
        messages = cloudevent.parse_batch(request.body, limit=request.batch_events)
        return messages, lambda decisions, meter, hard: answer.batch(decisions, meter, hard=hard)
    message = cloudevent.parse_request(request.content_type, request.headers.items(), request.body)
    return [message], lambda decisions, meter, hard: answer.single(decisions[0], meter, hard=hard)


def _moment(text: str) -> str:
    """Any ISO 8601 moment; one without a zone is taken for UTC."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    except (ValueError, OverflowError) as exc:
        raise PydanticCustomError("time", "must be an ISO 8601 date and time") from exc


Moment = Annotated[str, StringConstraints(max_length=64), AfterValidator(_moment)]


class _Record(BaseModel):
    """The body of ``POST /api/v1/events``."""

    model_config = ConfigDict(strict=True, extra="ignore")

    accountId: Name  # noqa: N815 - the wire's name
    userId: Name  # noqa: N815 - the wire's name
    eventType: Name  # noqa: N815 - the wire's name
    timestamp: Moment
    metadata: dict[str, Any] = {}


class _AnyEvent(BaseModel):
    """The body of ``POST /api/events``."""

    model_config = ConfigDict(strict=True, extra="ignore")

    type: Name
    payload: Any
    source: Name | None = None
    occurredAt: Moment | None = None  # noqa: N815 - the wire's name


def _record(request: Request) -> tuple[Messages, Render]:
    record = _parsed(_Record, request)
    data = {"accountId": record.accountId, "userId": record.userId, "metadata": record.metadata}
    message = _event(
        id=request.headers.get("idempotency-key") or _content_id(record),
        source=RECORD_SOURCE,
        type=record.eventType,
        time=record.timestamp,
        data=data,
    )
    return [message], _render_record


def _any_event(request: Request) -> tuple[Messages, Render]:
    any_event = _parsed(_AnyEvent, request)
    payload = any_event.payload
    named = payload if isinstance(payload, dict) else {}
    who = {name: named[name] for name in ("accountId", "contactId", "userId") if isinstance(named.get(name), str)}
    derived = _content_id(any_event) if any_event.occurredAt else request.random_id()
    message = _event(
        id=request.headers.get("idempotency-key") or derived,
        source=ANY_SOURCE,
        type=any_event.type,
        time=any_event.occurredAt,
        origin=any_event.source,
        data={**who, "metadata": payload if isinstance(payload, dict) else {"payload": payload}},
    )
    return [message], _render_any_event


def _parsed(model: type[Model], request: Request) -> Model:
    if not cloudevent.is_json(request.content_type):
        raise Refused("Unsupported content type", status=415, detail="send application/json")
    try:
        return model.model_validate_json(request.body)
    except ValidationError as exc:
        raise Refused("Bad request", faults=tuple(cloudevent.faults(exc.errors(include_url=False)))) from exc


def _event(**attributes: Any) -> Message:
    """Make an event of a JSON door's body; it is checked like everybody else's."""
    given = {name: value for name, value in attributes.items() if value is not None}
    try:
        return cloudevent.parse(to_json({"specversion": "1.0", **given}))
    except Refused as refusal:
        # The pointers lead into the event we made; the sender's body is flat, and its id is a header.
        faults = tuple(Fault(fault.pointer.removeprefix("/data"), fault.detail) for fault in refusal.faults)
        raise Refused("Bad request", faults=faults) from refusal


def _content_id(body: BaseModel) -> str:
    """The same content, the same id, whatever the order and the white space it is written in."""
    text = json.dumps(body.model_dump(), sort_keys=True, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()


def _render_record(decisions: Sequence[Decision], meter: Meter, hard: int | None) -> Answer:
    decision = decisions[0]
    if isinstance(decision, Accepted):
        body = {"status": "accepted", "jobId": decision.id, "message": "Event accepted for processing"}
        return Answer(202, to_json(body), headers=meter.headers())
    return _refused(decision, meter, hard)


def _render_any_event(decisions: Sequence[Decision], meter: Meter, hard: int | None) -> Answer:
    decision = decisions[0]
    if isinstance(decision, Accepted):
        return Answer(201, to_json({"id": decision.id, "status": "enqueued"}), headers=meter.headers())
    return _refused(decision, meter, hard)


def _refused(refusal: Refused, meter: Meter, hard: int | None) -> Answer:
    """These doors know no 422: what is wrong with an event is a bad request."""
    if refusal.status == 422:
        refusal = Refused("Bad request", faults=refusal.faults)
    return answer.refused(refusal, meter, hard=hard)


CLOUDEVENTS = Door(open=_cloudevents)
#: Path -> door. All take POST.
DOORS: Mapping[str, Door] = {
    "/": CLOUDEVENTS,
    "/v1/events": CLOUDEVENTS,
    "/api/v1/events": Door(open=_record),
    "/api/events": Door(open=_any_event, any_type=True),
}
