"""The front door's operations, as OpenAPI describes them.

Imported with the first request for the document: no event needs it, and it would cost the start-up.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from events import cloudevent
from events.cloudevent import BATCH, STRUCTURED
from events.errors import Fault, Refused
from functions.domain.key import WRITE_EVENTS
from functions.domain.sales import SalesData
from functions.ingest.answer import CONFLICT, FULL, Declined, result
from functions.ingest.answer import RATE as RATE_REACHED
from functions.ingest.bodies import Accepted, AnyEvent, Batch, BatchResult, CloudEvent, Enqueued, Record, Recorded
from functions.web import described
from functions.web.described import JSON, MAY_RETRY_AFTER, RATE, RETRY_AFTER, problem
from functions.web.openapi import Content, Operation, Parameter, Reply, document

TAGS = {
    "front door": "Ways in. The same event again is harmless: it is answered alike, with the same id.",
    "operation": "For probes, operators and clients. No key is needed.",
}
DESCRIPTION = """
- 2xx from the front door means stored durably.
- Errors are `application/problem+json` (RFC 9457).
- The key goes into `x-api-key` or `Authorization: Bearer`, or is the password of HTTP Basic.
- A path asked with another method answers 405 with `Allow`. `HEAD` is answered where `GET` is, and a slash at the end
  of a path makes no difference. `OPTIONS` with `WebHook-Request-Origin` is the handshake of web hooks.
- Bodies may be packed with gzip, and hold no U+0000.
"""

DATA = {"accountId": "acme", "contactId": "jane@acme.example", "userId": "sam", "metadata": {"minutes": 45}}
EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "1",
    "source": "/crm",
    "type": "io.sspp.demo.completed",
    "time": "2026-01-05T10:00:00Z",
    "data": DATA,
}
#: What :data:`EVENT` is known by to the tenant ``example``.
EVENT_ID = cloudevent.event_id("example", "/crm", "1")
_STORED = {"index": 0, "id": EVENT_ID, "status": 202, "duplicate": False}
_ONE = {"status": "accepted", "accepted": 1, "duplicates": 0, "rejected": 0, "results": [_STORED]}

_QUOTA = Parameter(
    name="x-quota-warning",
    description="There once the month's events are above the soft limit.",
    schema={"const": "soft-limit"},
)
_METER = (*RATE, _QUOTA)

_NO_ID = Refused("Malformed CloudEvent", faults=(Fault("/id", "Field required"),))
_NO_ACCOUNT = Refused(
    "Unacceptable event",
    status=422,
    faults=(Fault("/data/accountId", "is required, unless subject is account/<id>"),),
)
#: Name, what it means, an example, and headers: what a batch of which nothing is stored may be answered with, too.
_OF_EVENTS = (
    (
        "Malformed",
        "Not HTTP, not JSON, a missing or wrong member, characters or numbers that no database can hold. `errors`"
        " says where.",
        _NO_ID,
        (),
    ),
    ("OtherContent", "An event with this identity, and other content, was accepted before.", CONFLICT, _METER),
    (
        "TooManyEvents",
        "The rate, or the month's hard limit, is reached; or too many events were refused or sent again before (the"
        " `ratelimit-*` headers then count units of such work). The event was not stored.",
        RATE_REACHED,
        (RETRY_AFTER, *_METER),
    ),
    ("NotStored", "Not stored: Redis is away or full, or too many events wait.", FULL, (RETRY_AFTER,)),
)
_OF_CLOUDEVENTS = (
    *_OF_EVENTS,
    (
        "Unacceptable",
        "A CloudEvent, but of unknown type, without an account, or with data of the wrong shape.",
        _NO_ACCOUNT,
        _METER,
    ),
)
#: Every door's problems, but for those of its events.
_PROBLEMS = {**described.SERVER, **described.BODY, **described.KEY}


def _or_batch(name: str, description: str, refusal: Refused, headers: tuple[Parameter, ...]) -> dict[int, Reply]:
    """Return the answer that may also be about a batch of which nothing was stored."""
    item = result(0, Declined("" if refusal.status == 400 else EVENT_ID, refusal))
    batch = {"status": "refused", "accepted": 0, "duplicates": 0, "rejected": 1, "results": [item]}
    return problem(
        f"{name}OrBatch",
        f"{description} As `{JSON}`: a batch of which nothing was stored.",
        refusal,
        headers,
        {JSON: Content(type=BatchResult, examples={"batch": batch})},
    )


_TRACE = Parameter(
    name="traceparent",
    description="W3C Trace Context. It goes with the events of the request. One that is not valid is left aside.",
    schema={"type": "string"},
)
_IDEMPOTENCY = Parameter(
    name="idempotency-key",
    description="The event's id. Without one it is derived from the content.",
    schema={"type": "string", "maxLength": 2048, "pattern": "^[^\\u0000-\\u001f\\u007f-\\u009f]*$"},
)


def _ce(name: str, description: str, **schema: Any) -> Parameter:
    return Parameter(
        name=f"ce-{name}",
        description=f"Binary mode only{description}",
        schema={"type": "string", "minLength": 1, **schema},
        example=EVENT.get(name),
    )


_NEEDED = ", and required there. Percent-encoded, as are all `ce-*` headers."
_BINARY = (
    _ce("specversion", _NEEDED, enum=["1.0"]),
    _ce("id", _NEEDED),
    _ce("source", _NEEDED),
    _ce("type", _NEEDED),
    _ce("subject", "."),
    _ce("time", ".", format="date-time"),
    _ce("dataschema", "."),
)


def _cloudevents(path: str, name: str) -> Operation:
    return Operation(
        method="POST",
        path=path,
        name=name,
        summary="Send CloudEvents",
        description="The content type decides the mode: structured, batch, or binary (anything else, with the"
        " attributes in `ce-*` headers).",
        tag="front door",
        scope=WRITE_EVENTS,
        parameters=(_TRACE, *_BINARY),
        body={
            STRUCTURED: Content(type=CloudEvent, examples={"demo": EVENT}),
            BATCH: Content(type=Batch, examples={"demo": [EVENT]}),
            JSON: Content(type=SalesData | None, examples={"demo": DATA}),
        },
        answers={
            202: Reply(
                description="Stored durably, all of it.",
                headers=_METER,
                content={
                    JSON: Content(
                        type=Accepted | BatchResult,
                        examples={"event": {"status": "accepted", "id": EVENT_ID, "duplicate": False}, "batch": _ONE},
                    )
                },
            ),
            207: Reply(
                description="Part of a batch is stored; each result has its own status. What is stored stays stored.",
                headers=(MAY_RETRY_AFTER, *_METER),
                content={
                    JSON: Content(
                        type=BatchResult,
                        examples={
                            "one refused": {
                                **_ONE,
                                "rejected": 1,
                                "results": [_STORED, result(1, Declined("", _NO_ID))],
                            }
                        },
                    )
                },
            ),
            **_PROBLEMS,
            **{status: reply for each in _OF_CLOUDEVENTS for status, reply in _or_batch(*each).items()},
        },
    )


def _plain(
    path: str, name: str, summary: str, description: str, body: Content, status: int, said: Content
) -> Operation:
    return Operation(
        method="POST",
        path=path,
        name=name,
        summary=summary,
        description=description,
        tag="front door",
        scope=WRITE_EVENTS,
        parameters=(_IDEMPOTENCY, _TRACE),
        body={JSON: body},
        answers={
            status: Reply(description="Stored durably.", headers=_METER, content={JSON: said}),
            **_PROBLEMS,
            **{failed: reply for each in _OF_EVENTS for failed, reply in problem(*each).items()},
        },
    )


DOORS = (
    _cloudevents("/v1/events", "sendEvents"),
    _cloudevents("/", "sendEventsToRoot"),
    _plain(
        "/api/v1/events",
        "recordEvent",
        "Record a sales event",
        "The id is the `idempotency-key` or derived from the content, so a blind retry is harmless. All mistakes are"
        " reported at once.",
        Content(
            type=Record,
            examples={
                "e-mail": {
                    "accountId": "acme",
                    "userId": "sam",
                    "eventType": "email_sent",
                    "timestamp": "2026-01-05T10:00:00Z",
                    "metadata": {"subject": "Hello"},
                }
            },
        ),
        202,
        Content(
            type=Recorded,
            examples={
                "recorded": {"status": "accepted", "jobId": EVENT_ID, "message": "Event accepted for processing"}
            },
        ),
    ),
    _plain(
        "/api/events",
        "enqueueEvent",
        "Enqueue an event of any type",
        "The id is the `idempotency-key`, or derived from the content where `occurredAt` is given, else new.",
        Content(
            type=AnyEvent,
            examples={
                "invoice": {
                    "type": "invoice.paid",
                    "payload": {"accountId": "acme", "amount": 1200},
                    "source": "billing",
                    "occurredAt": "2026-01-05T10:00:00Z",
                }
            },
        ),
        201,
        Content(type=Enqueued, examples={"enqueued": {"id": EVENT_ID, "status": "enqueued"}}),
    ),
)


@cache
def openapi() -> bytes:
    """Return the front door's document as JSON."""
    return document((*DOORS, *described.PAGES), title="SSPP ingest", description=DESCRIPTION, tags=TAGS)
