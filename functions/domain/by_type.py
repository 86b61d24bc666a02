"""Objects that say something for each event type, by full name or alias."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from functions.domain.catalog import EVENT_TYPES, full_type

#: Entries of an object that has one for each event type.
_MOST_TYPES = 200


def _platforms(name: str) -> str:
    if name not in EVENT_TYPES:
        raise PydanticCustomError("type", "is not an event type of the platform")
    return name


def _once(given: object) -> object:
    """Refuse an object that names one event type by its full name and by its alias."""
    if isinstance(given, Mapping) and len({full_type(str(name)) for name in given}) < len(given):
        raise PydanticCustomError("type", "names an event type twice, by its name and by its alias")
    return given


#: The name of an event type, which becomes the full one where it is an alias.
AnyType = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9._-]+$"),
    AfterValidator(full_type),
]
_Value = TypeVar("_Value")
ByType = Annotated[dict[AnyType, _Value], BeforeValidator(_once), Field(max_length=_MOST_TYPES)]
ByPlatformType = Annotated[
    dict[Annotated[AnyType, AfterValidator(_platforms)], _Value], BeforeValidator(_once), Field(max_length=_MOST_TYPES)
]
