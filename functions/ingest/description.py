"""The front door's operations, as OpenAPI describes them.

Imported with the first request for the document: no event needs it, and it would cost the start-up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from events import cloudevent
from events.cloudevent import BATCH, STRUCTURED
from functions.domain.key import WRITE_EVENTS
from functions.domain.sales import SalesData
from functions.ingest.bodies import Accepted, AnyEvent, Batch, BatchResult, CloudEvent, Enqueued, Record, Recorded
from functions.web import described
from functions.web.described import JSON, MAY_RETRY_AFTER, RATE, RETRY_AFTER, problem
from functions.web.openapi import Content, Operation, Parameter, Reply, document

TAGS = {
    "events": "Ways in. The same event again is harmless: it is answered alike, with the same id.",
    "operation": "For probes and operators.",
}
DESCRIPTION = (
    "2xx means stored durably; the same event again is harmless and gives the same id. Errors are problem+json"
    " (RFC 9457). A path asked with another method answers 405 with `Allow`; `HEAD` is answered where `GET` is."
    " `OPTIONS` with `WebHook-Request-Origin` is the handshake of web hooks. The key may also be the password of HTTP"
    " Basic. Bodies may be packed with gzip, and hold no U+0000."
)

_QUOTA = Parameter(
    name="x-quota-warning",
    description="There once the month's events are above the soft limit.",
    schema={"const": "soft-limit"},
)
_METER = (*RATE, _QUOTA)
_BATCH_RESULT = {JSON: Content(type=BatchResult)}


def _problem(status: int, name: str, description: str, headers: tuple[Parameter, ...] = ()) -> dict[int, Reply]:
    return {status: problem(status, name, description, headers)}


_UNAVAILABLE = "Not stored: Redis is away or full, or too many events wait."
_TOO_MANY = (
    "The rate, or the month's hard limit, is reached; or too many events were refused or sent again before (the"
    " `ratelimit-*` headers then count units of such work). The event was not stored."
)
#: Every door's problems.
_PROBLEMS: Mapping[int, Reply] = {
    **described.SERVER,
    **described.BODY,
    **described.KEY,
    **_problem(
        400,
        "Malformed",
        "Not HTTP, not JSON, a missing or wrong member, characters or numbers that no database can hold. `errors`"
        " says where.",
    ),
    **_problem(409, "OtherContent", "An event with this identity, and other content, was accepted before.", _METER),
    **_problem(429, "TooManyEvents", _TOO_MANY, (RETRY_AFTER, *_METER)),
    **_problem(503, "NotStored", _UNAVAILABLE, (RETRY_AFTER,)),
}
_UNACCEPTABLE = _problem(
    422,
    "Unacceptable",
    "A CloudEvent, but of unknown type, without an account, or with data of the wrong shape.",
    _METER,
)


def _or_batch(reply: Reply) -> Reply:
    """Return the answer that may also be about a batch of which nothing was stored."""
    return replace(
        reply,
        name=f"{reply.name}OrBatch",
        description=f"{reply.description} As `{JSON}`: a batch of which nothing was stored.",
        content={**reply.content, **_BATCH_RESULT},
    )


_WITH_BATCHES = {
    status: _or_batch(reply) if status in {400, 409, 422, 429, 503} else reply
    for status, reply in {**_PROBLEMS, **_UNACCEPTABLE}.items()
}

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
_REFUSED = {
    "index": 1,
    "id": None,
    "status": 400,
    "duplicate": False,
    "title": "Malformed CloudEvent",
    "detail": "/id: Field required",
    "pointer": "/id",
}

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
        tag="events",
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
                        examples={"one refused": {**_ONE, "rejected": 1, "results": [_STORED, _REFUSED]}},
                    )
                },
            ),
            **_WITH_BATCHES,
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
        tag="events",
        scope=WRITE_EVENTS,
        parameters=(_IDEMPOTENCY, _TRACE),
        body={JSON: body},
        answers={status: Reply(description="Stored durably.", headers=_METER, content={JSON: said}), **_PROBLEMS},
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
