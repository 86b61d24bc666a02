"""Query parameters: what may be asked, checked once."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Literal, TypeVar
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)

from events import cloudevent
from events.errors import Fault, Refused
from functions.domain.catalog import EVENT_TYPES


def _full_type(name: str) -> str:
    """Aliases are as good as types; a type nobody has simply finds nothing."""
    kind = EVENT_TYPES.get(name)
    return kind.type if kind else name


# PostgreSQL cannot be asked for U+0000, and no id holds control characters.
Text = Annotated[str, StringConstraints(max_length=1000, pattern=r"^[^\x00-\x1f\x7f]*$")]
Model = TypeVar("Model", bound=BaseModel)


class Paging(BaseModel):
    """Which page of a list."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    page: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    limit: Annotated[int, Field(ge=1, le=100)] = 20


class _Filters(BaseModel):
    """What signals are filtered by, in lists and in searches."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    accountId: Text | None = None  # noqa: N815 - the wire's name
    userId: Text | None = None  # noqa: N815 - the wire's name
    contactId: Text | None = None  # noqa: N815 - the wire's name
    eventType: Annotated[Text, AfterValidator(_full_type)] | None = None  # noqa: N815 - the wire's name
    signalType: Text | None = None  # noqa: N815 - the wire's name
    since: Annotated[AwareDatetime | None, Field(alias="from")] = None
    until: Annotated[AwareDatetime | None, Field(alias="to")] = None


class SignalList(_Filters):
    """``GET /api/v1/signals``."""

    page: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    sortBy: Literal["timestamp", "processed_at", "signal_score", "points"] = "timestamp"  # noqa: N815
    sortOrder: Literal["asc", "desc"] = "desc"  # noqa: N815 - the wire's name


class SignalSearch(_Filters):
    """``GET /api/v1/signals/search``."""

    q: Text = ""
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    cursor: Text | None = None


def parsed(model: type[Model], arguments: Mapping[str, str]) -> Model:
    """Read query parameters.

    Raises:
        Refused: 400 with a pointer to each parameter that is unknown or wrong.
    """
    try:
        return model.model_validate(dict(arguments))
    except ValidationError as exc:
        found = tuple(cloudevent.faults(exc.errors(include_url=False)))
        raise Refused("Bad request", faults=found) from exc


def identifier(text: str) -> UUID:
    """Read an id in a path; what is none names nothing.

    Raises:
        Refused: 404.
    """
    try:
        return UUID(text)
    except ValueError as exc:
        raise Refused("Not found", status=404) from exc


def write_cursor(after: tuple[datetime, str] | None) -> str | None:
    """Write where the next page begins, for the client to hand back as it is."""
    if after is None:
        return None
    return base64.urlsafe_b64encode(f"{after[0].isoformat()}|{after[1]}".encode()).decode().rstrip("=")


def read_cursor(cursor: str | None) -> tuple[datetime, str] | None:
    """Read what :func:`write_cursor` wrote.

    Raises:
        Refused: 400, it did not.
    """
    if not cursor:
        return None
    try:
        at, _, id_ = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().partition("|")
        return datetime.fromisoformat(at).astimezone(UTC), str(UUID(id_))
    except (ValueError, binascii.Error) as exc:
        raise Refused("Bad request", faults=(Fault("/cursor", "is not one that this API gave"),)) from exc
