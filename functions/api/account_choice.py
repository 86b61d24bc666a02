"""Which accounts a list has, and in which order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from functions.adapters.postgres.account_lists import Choice
from functions.api.paging import Paging
from functions.api.parameters import Moment
from functions.domain.catalog import Side
from functions.domain.name import Text, tidy

#: What accounts are sorted by -> the side whose points they are ranked by.
_RANKED_BY: Mapping[str, Side | None] = {"engagement": "buyer", "effort": "rep", "lastSeen": None, "trend": "buyer"}


class AccountChoice(Paging):
    """Which accounts are listed, and how they are ranked."""

    band: Literal["hot", "warm", "cool", "cold"] | None = None
    side: Annotated[Side | None, Field(description="Only accounts with points left of this side.")] = None
    owner: Annotated[Annotated[Text, AfterValidator(tidy)] | None, Field(description="The attribute.")] = None
    q: Annotated[Text | None, Field(description="How the account's id begins, in any case.")] = None
    changedSince: Annotated[Moment | None, Field(description="Only accounts changed then or later.")] = None  # noqa: N815 - the wire's name
    sortBy: Literal["engagement", "effort", "lastSeen", "trend"] = "engagement"  # noqa: N815 - the wire's name
    sortOrder: Annotated[  # noqa: N815 - the wire's name
        Literal["asc", "desc"],
        BeforeValidator(str.lower),
        Field(description="`asc`, the largest fall first, goes with `sortBy=trend` alone."),
    ] = "desc"

    @field_validator("sortOrder")
    @classmethod
    def _only_of_trends(cls, order: str, info: ValidationInfo) -> str:
        if order == "asc" and info.data.get("sortBy") != "trend":
            raise PydanticCustomError("order", "is `desc` unless `sortBy` is `trend`")
        return order

    @property
    def choice(self) -> Choice:
        """What is read for this question."""
        rise_or_fall: Literal["rise", "fall"] = "fall" if self.sortOrder == "asc" else "rise"
        return Choice(
            by=_RANKED_BY[self.sortBy],
            band=self.band,
            active=self.side,
            prefix=self.q,
            owner=self.owner,
            changed_since=self.changedSince,
            change=rise_or_fall if self.sortBy == "trend" else None,
        )
