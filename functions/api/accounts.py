"""Accounts: their scores, and why they are what they are."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from functions.adapters.postgres.account_lists import Choice
from functions.api import examples
from functions.api.backends import Backends
from functions.api.paging import Pagination, Paging
from functions.api.parameters import Moment, Question, missing
from functions.api.routes import Resource
from functions.api.shown import Shown, Time
from functions.domain import score
from functions.domain.catalog import Side
from functions.domain.explain import Explanation
from functions.domain.name import Text, tidy
from functions.domain.signal import instant


def _not_before_1970(moment: datetime) -> datetime:
    """Bound a moment: a trend is compared with a week earlier, and there is no moment before the year 1."""
    if moment.year < 1970:
        raise PydanticCustomError("time", "must not be before 1970-01-01T00:00:00Z")
    return moment


class AccountAt(Question):
    """When an account is looked at."""

    at: Annotated[
        Annotated[Moment, AfterValidator(_not_before_1970)] | None,
        Field(description="Now if absent. Not before 1970."),
    ] = None


class AccountChoice(Paging):
    """Which accounts are listed, and how they are ranked."""

    band: Literal["hot", "warm", "cool", "cold"] | None = None
    side: Annotated[Side | None, Field(description="Only accounts with points left of this side.")] = None
    q: Annotated[Text | None, Field(description="How the account's id begins, in any case.")] = None
    changedSince: Annotated[Moment | None, Field(description="Only accounts changed then or later.")] = None  # noqa: N815 - the wire's name
    sortBy: Literal["engagement", "effort"] = "engagement"  # noqa: N815 - the wire's name


Score = Annotated[float, Field(ge=0, le=100)]


class Ranked(Shown):
    """An account in the ranking."""

    account_id: str
    engagement: Annotated[Score, Field(description="What the buyer did.")]
    effort: Annotated[Score, Field(description="What our representatives did.")]
    band: str


class AccountPage(Shown):
    """One page of the ranking."""

    data: list[Ranked]
    pagination: Pagination


class Contribution(Shown):
    """What the events of one type contribute to a score."""

    event_type: str
    events: int
    points_now: float
    latest: Time


class Account(Ranked):
    """An account with its scores explained."""

    trend: Literal["rising", "steady", "falling"]
    engagement_week_ago: Score
    reasons: list[str]
    effort_reasons: list[str]
    contributions: list[Contribution]
    effort_contributions: list[Contribution]
    model_version: Any
    as_of: Annotated[Time, Field(description="The moment that all of this is true of.")]


resource = Resource("accounts", "Scores of accounts and their reasons.")


@resource.route("GET", "/api/v1/accounts", example=examples.ACCOUNTS)
def list_accounts(backends: Backends, tenant: str, *, query: AccountChoice) -> AccountPage:
    """List accounts by a score now, the highest first."""
    choice = Choice(
        by="buyer" if query.sortBy == "engagement" else "rep",
        band=query.band,
        active=query.side,
        prefix=query.q,
        changed_since=query.changedSince,
    )
    rows, total = backends.reader.accounts(tenant, backends.now(), query.rows, choice)
    return AccountPage(data=[Ranked(**row) for row in rows], pagination=Pagination.of(query.rows, total))


@resource.route("GET", "/api/v1/accounts/{id}", example=examples.ACCOUNT)
def get_account(backends: Backends, tenant: str, *, query: AccountAt, id_: str) -> Account:
    """Return both scores of an account, now or as they were, with their reasons."""
    at = query.at or backends.now()
    id_, explained = _explained(backends, tenant, id_, at)
    buyer, rep = explained["buyer"], explained["rep"]
    return Account(
        account_id=id_,
        engagement=buyer.score,
        effort=rep.score,
        band=score.band(buyer.score),
        trend=score.trend(buyer.score, buyer.score_week_ago),
        engagement_week_ago=buyer.score_week_ago,
        reasons=[item.sentence(at) for item in buyer.contributions],
        effort_reasons=[item.sentence(at) for item in rep.contributions],
        contributions=_contributions(buyer),
        effort_contributions=_contributions(rep),
        model_version=score.MODEL_VERSION,
        as_of=instant(at),
    )


def _explained(backends: Backends, tenant: str, id_: str, at: datetime) -> tuple[str, Any]:
    """Find an account as it is spelt in the path, else in the one spelling that names have now."""
    for spelt in dict.fromkeys((id_, tidy(id_))):
        if (explained := backends.reader.explained(tenant, spelt, at)) is not None:
            return spelt, explained
    raise missing("account")


def _contributions(explained: Explanation) -> list[Contribution]:
    return [
        Contribution(
            event_type=item.event_type,
            events=item.events,
            points_now=round(item.points_now, 2),
            latest=instant(item.latest),
        )
        for item in explained.contributions
    ]
