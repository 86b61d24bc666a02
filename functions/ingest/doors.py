"""The doors: how each path's requests become CloudEvents, and how it puts decisions into answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Annotated, Any, NamedTuple, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError, to_json

from events import batch, cloudevent, http_binding, size
from events.cloudevent import Message
from events.content import canonical
from events.errors import Fault, Refused
from functions.domain import moment as moments
from functions.domain import name as names
from functions.domain.name import MAX_NAME, Contact, Name
from functions.domain.sales import QUIET, TypeOf
from functions.ingest import answer
from functions.ingest.answer import Accepted, Decision, Meter
from functions.web.answer import Answer

#: Where events of the two JSON doors say they come from: part of their identity, so never the sender's to choose.
RECORD_SOURCE = "/api/v1/events"
ANY_SOURCE = "/api/events"


class Request(NamedTuple):
    """One request, its body read.

    Args:
        headers: names in lower case; of a name that came twice, the last.
        random_id: draws an id for an event that has nothing to derive one from.
        type_of: what a type name means to the sender's tenant.
    """

    headers: Mapping[str, str]
    body: bytes
    batch_events: int
    random_id: Callable[[], str]
    type_of: TypeOf

    @property
    def content_type(self) -> str:
        """As it came; empty when there was none."""
        return self.headers.get("content-type", "")

    @property
    def idempotency_key(self) -> str:
        """The header of that name; empty when there was none.

        Raises:
            Refused: it is not UTF-8.
        """
        try:
            return http_binding.header_text(self.headers.get("idempotency-key", ""))
        except ValueError as exc:
            raise Refused("Bad request", faults=(Fault("", "idempotency-key: is not UTF-8"),)) from exc


Model = TypeVar("Model", bound=BaseModel)
#: A list where they are read, else of a batch, whose events are read as they are taken, which may raise Refused.
Messages = list[Message | Refused] | Iterator[Message | Refused]
Render = Callable[[Sequence[Decision], Meter], Awaitable[Answer]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """One way in.

    Args:
        open: reads a request's events; raises Refused when the request as a whole is no good.
        render: puts the decisions on them into an answer, given how the tenant stands.
        any_type: whether types that nobody knows are let in.
    """

    open: Callable[[Request], tuple[Messages, Render]]
    any_type: bool = False


def _cloudevents(request: Request) -> tuple[Messages, Render]:
    if cloudevent.media_type(request.content_type) == cloudevent.BATCH:
        messages = batch.iter_batch(request.body, limit=request.batch_events)
        return messages, answer.batch
    if cloudevent.media_type(request.content_type) == cloudevent.STRUCTURED:
        size.check(request.body)
    elif cloudevent.is_json(request.content_type or "application/json"):
        size.check(request.body, inside="/data")
    message = http_binding.parse_request(request.content_type, request.headers.items(), request.body)
    return [message], answer.single


def _moment(given: object) -> object:
    """Write a moment, however it was sent, as RFC 3339 in UTC."""
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        return given  # which is no text, and is said to be none
    try:
        return moments.moment(given[:65] if isinstance(given, str) else given).isoformat()
    except (ValueError, OverflowError) as exc:
        raise PydanticCustomError(
            "time", "must be an ISO 8601 date and time, or Unix time in seconds or milliseconds"
        ) from exc


Moment = Annotated[str, BeforeValidator(_moment), WithJsonSchema(moments.SCHEMA)]


def _text(given: object) -> object:
    """Write a whole number as text: many systems count their accounts and users."""
    return str(given) if type(given) is int and abs(given) < _TOO_LONG else given


#: No number with so many digits is a name; writing a much longer one raises.
_TOO_LONG = 10**MAX_NAME
_SCHEMA = WithJsonSchema({"anyOf": [names.SCHEMA, {"type": "integer"}]})
Id = Annotated[Name, BeforeValidator(_text), _SCHEMA]
ContactId = Annotated[Contact, BeforeValidator(_text), _SCHEMA]


def _known(name: str, info: ValidationInfo[TypeOf]) -> str:
    if info.context is None or info.context(name) is None:
        raise PydanticCustomError("type", "is not an event type this tenant has")
    return name


class Record(BaseModel):
    """A sales event as plain JSON. Further members become members of the event's `data`."""

    model_config = ConfigDict(strict=True, extra="allow")

    accountId: Annotated[Id, Field(description="Whose engagement it counts for.")]  # noqa: N815 - the wire's name
    userId: Annotated[Id, Field(description="Which of our representatives.")]  # noqa: N815 - the wire's name
    contactId: Annotated[ContactId | None, Field(description="Who, at the account.")] = None  # noqa: N815 - the wire's name
    eventType: Annotated[Name, AfterValidator(_known)]  # noqa: N815 - the wire's name
    timestamp: Annotated[Moment, Field(description="When it happened; UTC where it names no zone.")]
    metadata: Annotated[dict[str, Any], Field(description="Anything about the event, kept and searched.")] = {}


class AnyEvent(BaseModel):
    """An event of any type. Further members become members of the event's `data`."""

    model_config = ConfigDict(strict=True, extra="allow")

    type: Annotated[Name, Field(description="Any; one that nobody knows is kept, unscored.")]
    payload: Any
    source: Annotated[Name | None, Field(description="What sent it.")] = None
    occurredAt: Annotated[Moment | None, Field(description="When it happened.")] = None  # noqa: N815 - the wire's name


#: Where the sender of a JSON door finds what a pointer into the event we made of its body means.
Names = Mapping[str, str]
_RECORD_NAMES: Names = {"/type": "/eventType", "/time": "/timestamp", "/data": ""}
_ANY_NAMES: Names = {"/time": "/occurredAt", "/origin": "/source"}
#: Members of ``data`` that name who it is about, in the payload or beside it.
_WHO = ("accountId", "contactId", "userId")
#: The member of ``data`` for what was sent beside the payload under a name that ``data`` needs itself.
BESIDE = "beside"


def _record(request: Request) -> tuple[Messages, Render]:
    record = _parsed(Record, request)
    message = _event(
        _RECORD_NAMES,
        id=request.idempotency_key or _content_id(record),
        source=RECORD_SOURCE,
        type=record.eventType,
        time=record.timestamp,
        quiet=_quiet(record),
        data=record.model_dump(exclude={"eventType", "timestamp"}, exclude_unset=True),
    )
    return [message], partial(_render, _recorded, _RECORD_NAMES)


def _any_event(request: Request) -> tuple[Messages, Render]:
    any_event = _parsed(AnyEvent, request)
    data, names = _any_data(any_event.payload, any_event.model_extra or {})
    derived = _content_id(any_event) if any_event.occurredAt else request.random_id()
    message = _event(
        names,
        id=request.idempotency_key or derived,
        source=ANY_SOURCE,
        type=any_event.type,
        time=any_event.occurredAt,
        origin=any_event.source,
        quiet=_quiet(any_event),
        data=data,
    )
    return [message], partial(_render, _enqueued, names)


def _quiet(body: BaseModel) -> bool | None:
    """Return True where the sender marked it so: an attribute at these doors, too; see docs/ingest.md."""
    return True if (body.model_extra or {}).get(QUIET) is True else None


def _any_data(payload: Any, beside: Mapping[str, Any]) -> tuple[dict[str, Any], Names]:
    """Make the data of an event of any type: all that was sent, the payload as its metadata.

    The payload says who it is about, else the members beside it do.
    """
    noted = payload if isinstance(payload, dict) else {"payload": payload}
    who = {name: text for name in _WHO if isinstance(text := _text(noted.get(name)), str)}
    beside = {name: _text(value) if name in _WHO else value for name, value in beside.items()}
    taken = {"metadata", BESIDE, *who} | {name for name in _WHO if not isinstance(beside.get(name), str)}
    data = {**{name: value for name, value in beside.items() if name not in taken}, **who, "metadata": noted}
    if aside := {name: value for name, value in beside.items() if name in taken}:
        data[BESIDE] = aside
    metadata = "/data/metadata" if noted is payload else "/data/metadata/payload"
    named = {f"/data/{name}": f"/payload/{name}" for name in who}
    return data, {**_ANY_NAMES, metadata: "/payload", **named, f"/data/{BESIDE}": "", "/data": ""}


def _parsed(model: type[Model], request: Request) -> Model:
    if not cloudevent.is_json(request.content_type):
        raise Refused("Unsupported content type", status=415, detail="send application/json")
    try:
        size.check(request.body)
        return model.model_validate_json(request.body, context=request.type_of)
    except Refused as exc:  # these doors know no 422
        raise Refused("Bad request", faults=exc.faults) from exc
    except ValidationError as exc:
        raise Refused("Bad request", faults=cloudevent.faults(exc)) from exc


def _event(names: Names, **attributes: Any) -> Message:
    """Make an event of a JSON door's body; it is checked like everybody else's."""
    given = {name: value for name, value in attributes.items() if value is not None}
    try:
        return cloudevent.parse(to_json({"specversion": "1.0", **given}))
    except Refused as refusal:
        raise _pointed(refusal, names) from refusal


def _pointed(refusal: Refused, names: Names) -> Refused:
    """What is wrong with the event we made, as what is wrong with the body: these doors know no 422."""
    return Refused("Bad request", faults=tuple(_translated(fault, names) for fault in refusal.faults))


def _translated(fault: Fault, names: Names) -> Fault:
    if fault.pointer == "/id":
        return Fault("", f"idempotency-key: {fault.detail}")
    for made, sent in names.items():
        if fault.pointer == made or fault.pointer.startswith(made + "/"):
            return Fault(sent + fault.pointer.removeprefix(made), fault.detail)
    return fault


def _content_id(body: BaseModel) -> str:
    """Derive an id from everything that was sent."""
    return sha256(canonical(body.model_dump())).hexdigest()


async def _render(
    accepted: Callable[[Accepted], tuple[int, dict[str, str]]],
    names: Names,
    decisions: Sequence[Decision],
    meter: Meter,
) -> Answer:
    decision = decisions[0]
    if isinstance(decision, Accepted):
        status, body = accepted(decision)
        return Answer(status, to_json(body), headers=meter.headers())
    return answer.refused(_pointed(decision.why, names) if decision.why.status == 422 else decision.why, meter)


def _recorded(event: Accepted) -> tuple[int, dict[str, str]]:
    return 202, {"status": "accepted", "jobId": event.id, "message": "Event accepted for processing"}


def _enqueued(event: Accepted) -> tuple[int, dict[str, str]]:
    return 201, {"id": event.id, "status": "enqueued"}


def without_slash(path: str) -> str:
    """Return ``path`` without the slash that some senders put at its end."""
    return path[:-1] if len(path) > 1 and path.endswith("/") else path


CLOUDEVENTS = Door(open=_cloudevents)
#: Path -> door. All take POST.
DOORS: Mapping[str, Door] = {
    "/": CLOUDEVENTS,
    "/v1/events": CLOUDEVENTS,
    "/api/v1/events": Door(open=_record),
    "/api/events": Door(open=_any_event, any_type=True),
}
