"""Accounts: their scores, and why they are what they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from functions.adapters.postgres.pages import Place, Standing
from functions.api import examples
from functions.api.account_choice import AccountChoice
from functions.api.backends import Backends
from functions.api.insights_shown import Insight
from functions.api.paging import NextCursor, Pagination, Paging
from functions.api.parameters import Moment, Question, missing
from functions.api.routes import Resource
from functions.api.shown import Shown, Time
from functions.api.standing import TenantStanding
from functions.domain import attributes, explain, score
from functions.domain.name import tidy
from functions.domain.signal import instant


def _not_before_1970(moment: datetime) -> datetime:
    """Bound a moment: a trend is compared with a week earlier, and there is no moment before the year 1."""
    if moment.year < 1970:
        raise PydanticCustomError("time", "must not be before 1970-01-01T00:00:00Z")
    return moment


#: Attributes of accounts that have a place of their own.
_OF_ACCOUNTS = ("name", "owner", "domain", "tier", "fit")
Found = TypeVar("Found")


At = Annotated[
    Annotated[Moment, AfterValidator(_not_before_1970)] | None, Field(description="Now if absent. Not before 1970.")
]


class AccountAt(Question):
    """When an account is looked at."""

    at: At = None


class ContactsAt(Paging):
    """Which page of an account's contacts, and when they are looked at."""

    at: At = None


Score = Annotated[float, Field(ge=0, le=100)]
Attributes = Annotated[
    dict[str, attributes.Scalar], Field(description="All that is said of it: see `PATCH` of the same path.")
]
Trend = Literal["rising", "steady", "falling"]


ModelVersion = Annotated[int, Field(description="Of the scoring model that it is shown by.")]


class Ranked(Shown):
    """An account with its scores, and what is said of it."""

    account_id: str
    name: str | None
    owner: Annotated[str | None, Field(description="Which of our representatives has it.")]
    domain: str | None
    tier: str | None
    fit: Annotated[float | None, Field(ge=0, le=1, description="How well it fits what we look for.")]
    grade: Annotated[
        str,
        Field(description="Fit as a letter, A to D, and engagement as a number, 1 to 4; without a fit no letter."),
    ]
    engagement: Annotated[Score, Field(description="What the buyer did.")]
    effort: Annotated[Score, Field(description="What our representatives did.")]
    band: str
    model_version: ModelVersion


class Listed(Ranked):
    """An account in a list."""

    last_seen: Annotated[Time | None, Field(description="When the newest event with points occurred.")]
    engagement_week_ago: Annotated[Score | None, Field(description="Where sorted by trend, else null.")] = None
    trend: Annotated[Trend | None, Field(description="Where sorted by trend, else null.")] = None


class AccountPage(Shown):
    """One page of a list of accounts."""

    data: list[Listed]
    pagination: Pagination
    next_cursor: NextCursor


class Contribution(Shown):
    """What the events of one type contribute to a score."""

    event_type: str
    events: int
    points_now: float
    latest: Time


class Account(Ranked):
    """An account with its scores explained."""

    trend: Trend
    engagement_week_ago: Score
    reasons: list[str]
    effort_reasons: list[str]
    contributions: list[Contribution]
    effort_contributions: list[Contribution]
    attributes: Attributes
    standing: Annotated[TenantStanding | None, Field(description="Among all accounts now; null with `at`.")]
    insights: Annotated[list[Insight], Field(description="What was open then, the latest first.")]
    as_of: Annotated[Time, Field(description="The moment that all of this is true of.")]


class Contact(Shown):
    """A contact of an account, with what the events that name it add up to."""

    contact_id: str
    name: str | None
    role: Annotated[str | None, Field(json_schema_extra={"enum": [*attributes.ROLES, None]})]
    engagement: Score
    effort: Score
    band: str
    model_version: ModelVersion
    events: int
    last_seen: Annotated[Time | None, Field(description="When the newest event with points occurred.")]
    attributes: Attributes


class ContactPage(Shown):
    """One page of an account's contacts."""

    data: list[Contact]
    pagination: Pagination
    next_cursor: NextCursor


resource = Resource("accounts", "Scores of accounts and their reasons.")


@resource.route("GET", "/api/v1/accounts", example=examples.ACCOUNTS)
def list_accounts(backends: Backends, tenant: str, *, query: AccountChoice) -> AccountPage:
    """List accounts by a score now, the highest first; by when they were last seen; or by how they have changed.

    `sortBy=trend` compares engagement now with that of a week ago: of the 100 accounts seen last within the week, and
    of the 100 others with the most engagement a week ago. Where there are more, `total_is` says `at least`.
    """
    page = query.rows(tenant, Place if query.sortBy == "lastSeen" else Standing)
    listed = backends.reader.accounts(tenant, backends.now(), page, query.choice)
    return AccountPage(
        data=[_listed(row) for row in listed.rows],
        **query.standing(tenant, page, listed),
    )


@resource.route("GET", "/api/v1/accounts/{id}", example=examples.ACCOUNT)
def get_account(backends: Backends, tenant: str, *, query: AccountAt, id_: str) -> Account:
    """Return both scores of an account, now or as they were, with their reasons."""
    at = query.at or backends.now()
    id_, explained = found(backends, tenant, id_, lambda of: backends.reader.explained(tenant, of, at))
    buyer, rep = explained["buyer"], explained["rep"]
    said, model = attributes.values(buyer.attributes), buyer.scoring.model
    shown = _named(said, *_OF_ACCOUNTS)
    return Account(
        account_id=id_,
        **shown,
        grade=model.grade(shown["fit"], buyer.score),
        attributes=said,
        engagement=buyer.score,
        effort=rep.score,
        band=model.band(buyer.score),
        trend=score.trend(buyer.score, buyer.score_week_ago),
        engagement_week_ago=buyer.score_week_ago,
        reasons=[*(item.sentence(at) for item in buyer.contributions), *buyer.by_people, *buyer.left_out],
        effort_reasons=[*(item.sentence(at) for item in rep.contributions), *rep.left_out],
        contributions=contributions(buyer.contributions),
        effort_contributions=contributions(rep.contributions),
        model_version=buyer.scoring.version,
        standing=None if query.at else backends.standings.among(tenant, buyer.score, at),
        insights=[Insight(**row) for row in backends.reader.open_insights(tenant, id_, at)],
        as_of=instant(at),
    )


@resource.route("GET", "/api/v1/accounts/{id}/contacts", example=examples.CONTACTS)
def list_contacts(backends: Backends, tenant: str, *, query: ContactsAt, id_: str) -> ContactPage:
    """List an account's contacts by engagement, now or as it was, the highest first."""
    whose = f"{tenant} {id_}"
    page, at = query.rows(whose, Standing), query.at or backends.now()
    _, listed = found(backends, tenant, id_, lambda of: backends.reader.contacts(tenant, of, at, page))
    return ContactPage(
        data=[Contact(**row, **_named(row["attributes"], "name", "role")) for row in listed.rows],
        **query.standing(whose, page, listed),
    )


def account_of(backends: Backends, tenant: str, id_: str) -> str:
    """Return the account that counts for a path's id, as it is spelt there, else in the one spelling of names now.

    Raises:
        Refused: 404.
    """
    for spelt in dict.fromkeys((id_, tidy(id_))):
        if (account := backends.reader.account_id(tenant, spelt)) is not None:
            return account
    raise missing("account")


def found(backends: Backends, tenant: str, id_: str, read: Callable[[str], Found | None]) -> tuple[str, Found]:
    """Return the account that counts for a path's id, and what is read of it; see :func:`account_of`."""
    account = account_of(backends, tenant, id_)
    if (answer := read(account)) is None:
        raise missing("account")
    return account, answer


def _listed(row: dict[str, Any]) -> Listed:
    return Listed(**_named(row.pop("attributes"), *_OF_ACCOUNTS), **row)


def _named(said: Mapping[str, attributes.Scalar], *names: str) -> dict[str, Any]:
    return {name: said.get(name) for name in names}


def contributions(made_of: Iterable[explain.Contribution]) -> list[Contribution]:
    """Return contributions as they are shown."""
    return [
        Contribution(
            event_type=item.event_type,
            events=item.events,
            points_now=round(item.points_now, 2),
            latest=instant(item.latest),
        )
        for item in made_of
    ]
