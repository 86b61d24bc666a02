"""What the API's answers are made of: the base of every answer's model, and field types that several share."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Shown(BaseModel):
    """An answer or a part of one. What its model does not declare is a bug, and is not sent."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", defer_build=True, json_schema_serialization_defaults_required=True
    )


#: RFC 3339, in UTC.
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
#: A UUID in lower case.
Id = Annotated[str, Field(json_schema_extra={"format": "uuid"})]
Json = dict[str, Any]


class Stored(Shown):
    """An event that says what is to change is stored durably, and will be processed."""

    status: Literal["accepted"]
    id: Id
    duplicate: bool
