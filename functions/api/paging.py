"""Pages of a list: how one is asked for, where the next begins, and how many rows there are."""

from __future__ import annotations

import base64
import binascii
import math
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from events.errors import Fault, Refused
from functions.adapters.postgres.reader import Page
from functions.api.parameters import Question
from functions.api.shown import Shown

Limit = Annotated[int, Field(ge=1, le=100, description="Rows a page.")]


class Paging(Question):
    """Which page of a list."""

    page: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    limit: Limit = 20

    @property
    def rows(self) -> Page:
        """The rows of this page."""
        return Page(number=self.page, limit=self.limit)


class Pagination(Shown):
    """Where a page stands in its list."""

    page: int
    limit: int
    total: Annotated[int, Field(ge=0, description="Rows on all pages.")]
    totalPages: Annotated[int, Field(ge=0)]  # noqa: N815 - the wire's name

    @classmethod
    def of(cls, page: Page, total: int) -> Pagination:
        """Describe ``page`` of a list with ``total`` rows."""
        return cls(page=page.number, limit=page.limit, total=total, totalPages=math.ceil(total / page.limit))


def write_cursor(after: tuple[datetime, str] | None) -> str | None:
    """Return where the next page begins as text that the client hands back as it is."""
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
        moment = datetime.fromisoformat(at)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC), str(UUID(id_))
    except (ValueError, OverflowError, binascii.Error) as exc:
        raise Refused("Bad request", faults=(Fault("/cursor", "is not one that this API gave"),)) from exc
