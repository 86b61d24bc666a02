"""What is said of accounts and of their contacts: attributes, as events like any other."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, WithJsonSchema

from events.errors import Refused
from functions.api import examples
from functions.api.accounts import found
from functions.api.backends import Backends
from functions.api.front_door import Publish
from functions.api.parameters import Question, missing
from functions.api.routes import Resource
from functions.api.shown import Stored
from functions.domain import attributes
from functions.domain.catalog import ACCOUNT_UPDATED, CONTACT_UPDATED
from functions.domain.key import WRITE_EVENTS
from functions.domain.name import DOTS, MAX_NAME, tidy_contact


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


resource = Resource("customers", "What is said of accounts and of their contacts.", scope=WRITE_EVENTS)


@resource.route("PATCH", "/api/v1/accounts/{id}", example=examples.UPDATE_ACCOUNT, refuses={422})
def update_account(backends: Backends, tenant: str, *, id_: str, body: Update, publish: Publish) -> Stored:
    """Set attributes of an account: `name`, `owner`, `domain`, `tier`, `fit` (0 to 1) and others of your own.

    It publishes the event `io.sspp.account.updated`, whose id it answers with: `GET /api/v1/events/{id}` says when it
    is processed. Of an attribute the value that was set last counts.
    """
    data = {"accountId": _account(backends, tenant, id_), "attributes": body.checked()}
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
    data = {"accountId": _account(backends, tenant, id_), "contactId": contact, "attributes": body.checked()}
    return _stored(publish, CONTACT_UPDATED.type, data)


def _account(backends: Backends, tenant: str, id_: str) -> str:
    """Return an account's id as it is spelt.

    Raises:
        Refused: 404.
    """
    return found(id_, lambda spelt: backends.reader.account_id(tenant, spelt))[1]


def _stored(publish: Publish, type_: str, data: dict[str, Any]) -> Stored:
    published = publish(type_, data)
    return Stored(status="accepted", id=published.id, duplicate=published.duplicate)
