"""What is said of accounts and of their contacts, and which accounts are one customer: by events like any other."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, WithJsonSchema

from events.errors import Fault, Refused
from functions.api import examples
from functions.api.accounts import account_of
from functions.api.backends import Backends
from functions.api.front_door import Publish
from functions.api.paging import Limit
from functions.api.parameters import Question, missing
from functions.api.routes import Resource
from functions.api.shown import Shown, Stored
from functions.domain import attributes
from functions.domain.catalog import ACCOUNT_MERGED, ACCOUNT_UNMERGED, ACCOUNT_UPDATED, CONTACT_UPDATED
from functions.domain.key import READ, WRITE_EVENTS
from functions.domain.name import DOTS, MAX_NAME, Name, tidy, tidy_contact
from functions.domain.suggestion import suggestions


class Update(Question):
    """Attributes to set, and with null to remove; the others stay."""

    attributes: Annotated[
        dict[str, Any],
        Field(min_length=1),
        WithJsonSchema({"type": "object", "minProperties": 1, **attributes.SCHEMA}),
    ]

    def checked(self) -> dict[str, Any]:
        """Return the attributes.

        Raises:
            Refused: 422, with a pointer to each that is wrong.
        """
        if faults := tuple(attributes.faults(self.attributes, ("attributes",))):
            raise Refused("Unacceptable event", status=422, faults=faults)
        return self.attributes


class Merge(Question):
    """The account that is to count for this one."""

    from_: Annotated[Name, Field(alias="from", description="An account; it may have had no event yet.")]


class MergedName(Shown):
    """An account that another one counts for."""

    account_id: str
    into: Annotated[str, Field(description="The account that it was merged into, which may have been merged since.")]


class MergedNames(Shown):
    """The accounts that an account counts for."""

    account_id: str
    data: list[MergedName]


class SharedBy(Shown):
    """An account that shares a domain."""

    account_id: str
    contacts: Annotated[int, Field(description="Contacts with an address there.")]


class SharedDomain(Shown):
    """Accounts that may be one customer."""

    domain: str
    accounts: list[SharedBy]


class Suggestions(Shown):
    """Accounts that may be one customer, those with the most contacts first."""

    data: list[SharedDomain]


class SuggestionLimit(Question):
    """How many domains are shown."""

    limit: Limit = 20


resource = Resource(
    "customers", "What is said of accounts and of their contacts, and which are one customer.", scope=WRITE_EVENTS
)


@resource.route("PATCH", "/api/v1/accounts/{id}", example=examples.UPDATE_ACCOUNT, refuses={422})
def update_account(backends: Backends, tenant: str, *, id_: str, body: Update, publish: Publish) -> Stored:
    """Set attributes of an account: `name`, `owner`, `domain`, `tier`, `fit` (0 to 1) and others of your own.

    It publishes the event `io.sspp.account.updated`, whose id it answers with: `GET /api/v1/events/{id}` says when it
    is processed. Of an attribute the value that was set last counts.
    """
    data = {"accountId": account_of(backends, tenant, id_), "attributes": body.checked()}
    return _stored(publish, ACCOUNT_UPDATED.type, data)


@resource.route("PATCH", "/api/v1/accounts/{id}/contacts/{contact}", example=examples.UPDATE_CONTACT, refuses={422})
def update_contact(
    backends: Backends, tenant: str, *, id_: str, contact_: str, body: Update, publish: Publish
) -> Stored:
    """Set attributes of a contact: `name`, `role` (champion, economic_buyer, user or unknown) and others of your own.

    It publishes the event `io.sspp.contact.updated`; a contact that no event has named yet becomes known by it.
    """
    contact = tidy_contact(contact_)
    if not 0 < len(contact) <= MAX_NAME or contact in DOTS:
        raise missing("contact")
    data = {"accountId": account_of(backends, tenant, id_), "contactId": contact, "attributes": body.checked()}
    return _stored(publish, CONTACT_UPDATED.type, data)


@resource.route("GET", "/api/v1/accounts/{id}/merge", example=examples.MERGED_NAMES, scope=READ)
def list_merged(backends: Backends, tenant: str, *, id_: str) -> MergedNames:
    """List the accounts that an account counts for."""
    account = account_of(backends, tenant, id_)
    return MergedNames(account_id=account, data=[MergedName(**row) for row in backends.reader.names(tenant, account)])


@resource.route("POST", "/api/v1/accounts/{id}/merge", example=examples.MERGE, refuses={422})
def merge_account(backends: Backends, tenant: str, *, id_: str, body: Merge, publish: Publish) -> Stored:
    """Let an account count for another one as well: what happened to either, and what will, is one customer's.

    It publishes the event `io.sspp.account.merged`. That is a dead letter where there are more than 10,000 signals to
    move. It can be undone.
    """
    account, other = account_of(backends, tenant, id_), body.from_
    counts = backends.reader.account_id(tenant, other)
    if other == account:
        raise _wrong("must name another account")
    if counts not in (None, other, account):
        raise _wrong(f"counts for {counts} already: undo that first")
    return _stored(publish, ACCOUNT_MERGED.type, {"accountId": account, "from": other})


@resource.route("DELETE", "/api/v1/accounts/{id}/merge/{other}", example=examples.UNMERGE)
def unmerge_account(backends: Backends, tenant: str, *, id_: str, other_: str, publish: Publish) -> Stored:
    """Undo a merge: the other account is again what it would be had it never been merged.

    It publishes the event `io.sspp.account.unmerged`.
    """
    account, other = account_of(backends, tenant, id_), tidy(other_)
    if other == account or backends.reader.account_id(tenant, other) != account:
        raise missing("merge")
    return _stored(publish, ACCOUNT_UNMERGED.type, {"accountId": account, "from": other})


@resource.route("GET", "/api/v1/merge-suggestions", example=examples.MERGE_SUGGESTIONS, scope=READ)
def suggest_merges(backends: Backends, tenant: str, *, query: SuggestionLimit) -> Suggestions:
    """Suggest accounts that may be one customer: their contacts write from one domain, or they have the same `domain`.

    Domains of free mail are left out. Nothing is merged by itself. The first 100,000 contacts are looked at.
    """
    found = suggestions(backends.reader.shared_domains(tenant), query.limit)
    return Suggestions(
        data=[
            SharedDomain(
                domain=each.domain,
                accounts=[SharedBy(account_id=name, contacts=count) for name, count in each.accounts.items()],
            )
            for each in found
        ]
    )


def _wrong(why: str) -> Refused:
    return Refused("Unacceptable event", status=422, faults=(Fault("/from", why),))


def _stored(publish: Publish, type_: str, data: dict[str, Any]) -> Stored:
    published = publish(type_, data)
    return Stored(status="accepted", id=published.id, duplicate=published.duplicate)
