"""Query parameters: what may be asked, checked once."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Literal, TypeVar
from urllib.parse import unquote_to_bytes
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)
from pydantic_core import PydanticCustomError

from events import cloudevent
from events.errors import Fault, Refused
from functions.domain.catalog import EVENT_TYPES
from functions.domain.moment import moment
from functions.domain.name import tidy, tidy_contact


def _full_type(name: str) -> str:
    """Aliases are as good as types; a type nobody has simply finds nothing."""
    kind = EVENT_TYPES.get(name)
    return kind.type if kind else name


def _read(given: object) -> datetime:
    """Read a moment, a Unix time too. A plus before a zone that is not escaped in a query arrives as a space."""
    if isinstance(given, str):
        given = _LOST_PLUS.sub(r"\1+\2", given).upper()
    try:
        if isinstance(given, str | int | float) and not isinstance(given, bool):
            return moment(given)
    except (ValueError, OverflowError):
        pass
    raise PydanticCustomError("time", "must be a date and time, or a Unix time in seconds or milliseconds")


def _utc(moment: datetime) -> datetime:
    """A moment that names no zone is one of UTC."""
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except OverflowError as exc:
        raise PydanticCustomError("time", "must be a date and time that exists") from exc


#: The end of a time, a space, a zone.
_LOST_PLUS = re.compile(r"(:[0-9]{2}(?:\.[0-9]+)?) ([0-9]{2}:?[0-9]{2})\Z")
#: A date is its midnight.
Moment = Annotated[datetime, BeforeValidator(_read)]


def _not_before_1970(moment: datetime) -> datetime:
    """Bound a moment: a trend is compared with a week earlier, and there is no moment before the year 1."""
    if moment.year < 1970:
        raise PydanticCustomError("time", "must not be before 1970-01-01T00:00:00Z")
    return moment


#: The wire's names beside those of the columns.
_COLUMNS = {"processedAt": "processed_at", "signalScore": "signal_score"}

# PostgreSQL cannot be asked for U+0000, and no id holds control characters.
_NO_CONTROL = re.compile(r"[^\x00-\x1f\x7f]*\Z")
Text = Annotated[str, StringConstraints(max_length=1000, pattern=r"^[^\x00-\x1f\x7f]*$")]
Model = TypeVar("Model", bound=BaseModel)


class Nothing(BaseModel):
    """A question without parameters."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class AccountAt(Nothing):
    """``GET /api/v1/accounts/{id}``."""

    at: Annotated[Moment, AfterValidator(_not_before_1970)] | None = None


class Paging(Nothing):
    """Which page of a list."""

    page: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    limit: Annotated[int, Field(ge=1, le=100)] = 20


class _Filters(Nothing):
    """What signals are filtered by, in lists and in searches."""

    accountId: Annotated[Text, AfterValidator(tidy)] | None = None  # noqa: N815 - the wire's name
    userId: Annotated[Text, AfterValidator(tidy)] | None = None  # noqa: N815 - the wire's name
    contactId: Annotated[Text, AfterValidator(tidy_contact)] | None = None  # noqa: N815 - the wire's name
    eventType: Annotated[Text, AfterValidator(_full_type)] | None = None  # noqa: N815 - the wire's name
    signalType: Text | None = None  # noqa: N815 - the wire's name
    since: Annotated[Moment | None, Field(alias="from")] = None
    until: Annotated[Moment | None, Field(alias="to")] = None


class SignalList(_Filters):
    """``GET /api/v1/signals``."""

    page: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    limit: Annotated[int, Field(ge=1, le=100)] = 20
    sortBy: Annotated[  # noqa: N815 - the wire's name
        Literal["timestamp", "processed_at", "signal_score", "points"],
        BeforeValidator(lambda name: _COLUMNS.get(name, name)),
    ] = "timestamp"
    sortOrder: Annotated[Literal["asc", "desc"], BeforeValidator(str.lower)] = "desc"  # noqa: N815 - the wire's name


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


def missing(thing: str) -> Refused:
    """Return the refusal for a thing that this tenant does not have, whoever else may have it."""
    return Refused("Not found", status=404, detail=f"there is no such {thing}")


def identifier(text: str, thing: str) -> UUID:
    """Read the id of a thing in a path; what is none names nothing.

    Raises:
        Refused: 404.
    """
    try:
        return UUID(text)
    except ValueError as exc:
        raise missing(thing) from exc


def path_id(part: str, thing: str) -> str:
    """Read the id of a thing in a path, percent-encoded; what no id can hold names nothing.

    Raises:
        Refused: 404.
    """
    try:
        text = unquote_to_bytes(part.encode("latin-1", "replace")).decode()
    except UnicodeDecodeError as exc:
        raise missing(thing) from exc
    if not _NO_CONTROL.match(text):
        raise missing(thing)
    return text


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
        return _utc(datetime.fromisoformat(at)), str(UUID(id_))
    except (ValueError, binascii.Error) as exc:  # PydanticCustomError is a ValueError
        raise Refused("Bad request", faults=(Fault("/cursor", "is not one that this API gave"),)) from exc
