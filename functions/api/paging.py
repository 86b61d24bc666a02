"""Pages of a list: how one is asked for, where the next begins, and how many rows there are."""

from __future__ import annotations

import base64
import binascii
import math
from hashlib import blake2s
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, Field, TypeAdapter, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError, from_json, to_json

from events.errors import Fault, Refused
from functions.adapters.postgres.pages import LOOKED_AT, Listed, Page
from functions.api.parameters import Question
from functions.api.shown import Shown
from functions.domain.name import Text

Limit = Annotated[int, Field(ge=1, le=100, description="Rows a page.")]
Cursor = Annotated[Text | None, Field(description="The `next_cursor` of the page before.")]
NextCursor = Annotated[str | None, Field(description="Where the next page begins; null on the last one.")]
Position = TypeVar("Position")

#: Parameters that choose a page or its extras; all others choose the list.
_OF_A_PAGE = frozenset({"cursor", "facets", "limit", "page"})


class Paging(Question):
    """Which page of a list: the one after another, or one of the first by its number."""

    cursor: Cursor = None
    limit: Limit = 20
    page: Annotated[int, Field(ge=1, description=f"Among the first {LOOKED_AT:,} rows.")] = 1

    @field_validator("page")
    @classmethod
    def _within_reach(cls, page: int, info: ValidationInfo) -> int:
        if info.data.get("cursor") is not None:
            raise PydanticCustomError("page", "goes with no cursor, which names a page by itself")
        if (page - 1) * info.data.get("limit", 20) >= LOOKED_AT:
            raise PydanticCustomError("page", f"is past the first {LOOKED_AT:,} rows: follow next_cursor instead")
        return page

    def rows(self, whose: str, position: type[Position]) -> Page:
        """Return the rows of this page.

        Args:
            whose: the tenant, with what else of the path tells one list from another.
            position: what the places of this list are.

        Raises:
            Refused: 400, see :func:`read_cursor`.
        """
        if self.cursor is None:
            return Page(number=self.page, limit=self.limit)
        number, after = read_cursor(self.cursor, self, whose, tuple[int, position])  # type: ignore[valid-type] # as below
        return Page(number=number, limit=self.limit, after=after)

    def standing(self, whose: str, page: Page, listed: Listed) -> dict[str, Any]:
        """Return what an answer says of its page beside the rows: ``pagination`` and ``next_cursor``."""
        return {
            "pagination": Pagination.of(page, listed.total, exact=listed.exact),
            "next_cursor": self.next(whose, page, listed),
        }

    def next(self, whose: str, page: Page, listed: Listed) -> str | None:
        """Return the cursor of the page after ``page``; None where that is the last."""
        return None if listed.next is None else write_cursor(self, whose, (page.number + 1, listed.next))


class Pagination(Shown):
    """Where a page stands in its list."""

    page: int
    limit: int
    total: Annotated[int, Field(ge=0, description="Rows on all pages.")]
    totalPages: Annotated[int, Field(ge=0)]  # noqa: N815 - the wire's name
    total_is: Annotated[
        Literal["exact", "at least"], Field(description=f"More than {LOOKED_AT:,} rows are not counted.")
    ] = "exact"

    @classmethod
    def of(cls, page: Page, total: int, *, exact: bool = True) -> Pagination:
        """Describe ``page`` of a list with ``total`` rows, or with more."""
        return cls(
            page=page.number,
            limit=page.limit,
            total=total,
            totalPages=math.ceil(total / page.limit),
            total_is="exact" if exact else "at least",
        )


def write_cursor(asked: BaseModel, tenant: str | None, position: object) -> str:
    """Return a place in the list that was asked for, as text that the client hands back as it is."""
    written = to_json((_list(asked, tenant), position))
    return base64.urlsafe_b64encode(written).decode().rstrip("=")


def read_cursor(cursor: str, asked: BaseModel, tenant: str | None, position: type[Position]) -> Position:
    """Read what :func:`write_cursor` wrote for the same list.

    It is not signed: a made-up one only shows another part of the caller's own list.

    Raises:
        Refused: 400, it is of another list, or not from here.
    """
    try:
        of, place = from_json(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if of == _list(asked, tenant):
            return TypeAdapter(position).validate_python(place)
    except (TypeError, ValueError, OverflowError, binascii.Error) as exc:
        raise _refused("is not one that this API gave") from exc
    raise _refused("is of another list: tenant, filters and order must be those of the page before")


def _list(asked: BaseModel, tenant: str | None) -> str:
    """Return what tells one list from another: whose it is, its kind, its filters and its order."""
    question = asked.model_dump(mode="json", exclude=set(_OF_A_PAGE))
    return blake2s(to_json((tenant, type(asked).__name__, question)), digest_size=8).hexdigest()


def _refused(detail: str) -> Refused:
    return Refused("Bad request", faults=(Fault("/cursor", detail),))
