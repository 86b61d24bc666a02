"""What requests to the API hold: types that several resources share, each checked once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, TypeVar
from urllib.parse import unquote_to_bytes
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from events import cloudevent
from events.errors import Refused
from functions.domain import moment as moments
from functions.domain.catalog import full_type
from functions.domain.name import Text, tidy, tidy_contact


def _read(given: object) -> datetime:
    """Read a moment, a Unix time too. A plus before a zone that is not escaped in a query arrives as a space."""
    if isinstance(given, str):
        given = _LOST_PLUS.sub(r"\1+\2", given).upper()
    try:
        if isinstance(given, str | int | float) and not isinstance(given, bool):
            return moments.moment(given)
    except (ValueError, OverflowError):
        pass
    raise PydanticCustomError("time", "must be a date and time, or a Unix time in seconds or milliseconds")


#: The end of a time, a space, a zone.
_LOST_PLUS = re.compile(r"(:[0-9]{2}(?:\.[0-9]+)?) ([0-9]{2}:?[0-9]{2})\Z")
#: A date is its midnight.
Moment = Annotated[datetime, BeforeValidator(_read), WithJsonSchema(moments.SCHEMA)]

_NO_CONTROL = re.compile(r"[^\x00-\x1f\x7f]*\Z")
Model = TypeVar("Model", bound=BaseModel)


class Question(BaseModel):
    """What a query or a body may hold; with no fields, nothing. Unknown names are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Filters(Question):
    """What signals are filtered by, in lists and in searches."""

    accountId: Annotated[Text, AfterValidator(tidy)] | None = None  # noqa: N815 - the wire's name
    userId: Annotated[Text, AfterValidator(tidy)] | None = None  # noqa: N815 - the wire's name
    contactId: Annotated[Text, AfterValidator(tidy_contact)] | None = None  # noqa: N815 - the wire's name
    eventType: Annotated[Text, AfterValidator(full_type)] | None = None  # noqa: N815 - the wire's name
    signalType: Text | None = None  # noqa: N815 - the wire's name
    since: Annotated[Moment | None, Field(alias="from", description="Included.")] = None
    until: Annotated[Moment | None, Field(alias="to", description="Not included.")] = None


def parsed(model: type[Model], arguments: Mapping[str, str]) -> Model:
    """Read query parameters.

    Raises:
        Refused: 400 with a pointer to each parameter that is unknown or wrong.
    """
    return _checked(lambda: model.model_validate(dict(arguments)))


def document(model: type[Model], body: bytes, wrong: int = 400) -> Model:
    """Read a JSON body. Its types are what they are: ``false`` is no number, and ``"422"`` is text.

    Args:
        wrong: the status where a member is unknown or wrong.

    Raises:
        Refused: with a pointer to each member that is unknown or wrong; 400, it is no JSON.
    """
    return _checked(lambda: model.model_validate_json(body, strict=True), wrong)


def _checked(read: Callable[[], Model], wrong: int = 400) -> Model:
    try:
        return read()
    except ValidationError as exc:
        faults = cloudevent.faults(exc)
        if wrong == 400 or exc.errors()[0]["type"] == "json_invalid":
            raise Refused("Bad request", faults=faults) from exc
        raise Refused("Unacceptable", status=wrong, faults=faults) from exc


def missing(thing: str) -> Refused:
    """Return the 404 for a thing that this tenant does not have, even if another tenant has it."""
    return Refused("Not found", status=404, detail=f"there is no such {thing}")


def identifier(text: str, thing: str) -> UUID:
    """Read the UUID of a thing in a path; what is none names nothing.

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
