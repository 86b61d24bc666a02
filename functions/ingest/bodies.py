"""What goes in and out of the front door, as OpenAPI describes it: the models that it parses with, and its answers.

Imported with the first request for the document.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, WithJsonSchema

from events import cloudevent
from functions.domain.catalog import EVENT_TYPES
from functions.domain.name import MAX_NAME, Name
from functions.domain.sales import SalesData
from functions.ingest import doors
from functions.web.described import JSON, Described

_TYPE = Field(
    description="One of the platform's types, its alias, or a type of the tenant's own.",
    json_schema_extra={"anyOf": [{"enum": [*sorted(EVENT_TYPES)]}, {"description": "A type of the tenant's own."}]},
)


class CloudEvent(cloudevent.CloudEvent):
    """A CloudEvent 1.0 in JSON, about an account.

    Other attributes are extensions: lower-case letters and digits, `sspp...` reserved. `quiet`: true scores and
    records the event and sends no notice.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "propertyNames": {"pattern": "^(?!sspp)[a-z0-9]+$|^data_base64$"},
            "additionalProperties": {"type": ["string", "integer", "boolean", "null"]},
            "anyOf": [
                {
                    "required": ["data"],
                    "properties": {
                        "data": {
                            "type": "object",
                            "required": ["accountId"],
                            "properties": {"accountId": {"type": "string"}},
                        }
                    },
                },
                {
                    "required": ["subject"],
                    "properties": {"subject": {"type": "string", "pattern": f"^account/.{{1,{MAX_NAME}}}$"}},
                },
                {
                    "required": ["data_base64"],
                    "properties": {"data_base64": {"type": "string", "minLength": 4}},
                },
            ],
        }
    )

    type: Annotated[cloudevent.Text, _TYPE]
    data: SalesData | None = None
    data_base64: Annotated[
        str | None,
        Field(
            description="The data in bytes, in place of `data`. They must be JSON, and so must `datacontenttype`.",
            json_schema_extra={
                "pattern": "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$",
                "contentEncoding": "base64",
                "contentMediaType": JSON,
            },
        ),
    ] = None


#: Each event of a batch is decided on by itself, so what is no event is not the batch's mistake.
Batch = Annotated[list[Any], Field(max_length=1000, description="CloudEvents. Each is decided on by itself.")]


class Record(doors.Record):
    """A sales event as plain JSON. Further members become members of the event's `data`."""

    eventType: Annotated[Name, _TYPE]  # noqa: N815 - the wire's name


_WHO = Name | Annotated[None, WithJsonSchema({"type": ["object", "array", "number", "boolean", "null"]})]


class Payload(Described):
    """Anything. Of an object, these members are read where they are text or whole numbers."""

    model_config = ConfigDict(extra="allow")

    accountId: _WHO = None  # noqa: N815 - the wire's name
    contactId: _WHO = None  # noqa: N815 - the wire's name
    userId: _WHO = None  # noqa: N815 - the wire's name


class AnyEvent(doors.AnyEvent):
    """An event of any type.

    Further members become members of the event's `data`; `accountId`, `contactId` and `userId` count where they are
    text or whole numbers and the payload has none.
    """

    payload: Payload | Annotated[Any, WithJsonSchema({"type": ["array", "string", "number", "boolean", "null"]})]


_Id = Annotated[
    str,
    Field(json_schema_extra={"format": "uuid"}, description="The event's identity: the same for every retry of it."),
]
_Amount = Annotated[int, Field(ge=0)]


class Accepted(Described):
    """One event is stored durably."""

    status: Literal["accepted"]
    id: _Id
    duplicate: Annotated[bool, Field(description="It was stored before.")]


class ItemAccepted(Described):
    """What became of one event of a batch: it is stored."""

    index: _Amount
    id: _Id
    status: Literal[202]
    duplicate: bool


class ItemRefused(Described):
    """What became of one event of a batch: it is not stored."""

    index: _Amount
    id: Annotated[str | None, Field(description="Null where it could not be read.")]
    status: Literal[400, 409, 422, 429, 503]
    duplicate: Literal[False]
    title: str
    detail: str
    pointer: Annotated[str, Field(description="Into the item; empty where it is about all of it.")]


class BatchResult(Described):
    """What became of a batch."""

    status: Literal["accepted", "refused"]
    accepted: Annotated[_Amount, Field(description="Stored, now or before.")]
    duplicates: Annotated[_Amount, Field(description="Those of them stored before.")]
    rejected: _Amount
    results: list[ItemAccepted | ItemRefused]


class Recorded(Described):
    """A record is stored durably."""

    status: Literal["accepted"]
    jobId: _Id  # noqa: N815 - the wire's name
    message: str


class Enqueued(Described):
    """An event of any type is stored durably."""

    id: _Id
    status: Literal["enqueued"]
