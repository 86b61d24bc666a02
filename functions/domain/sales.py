"""A sales event: a CloudEvent whose type its tenant knows, about an account it can name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from events import cloudevent, content
from events.cloudevent import CloudEvent
from events.errors import Fault, Refused
from functions.domain import attributes, merging, retraction
from functions.domain.attributes import Scalar
from functions.domain.catalog import (
    ACCOUNT_UPDATED,
    ATTRIBUTES,
    CONTACT_UPDATED,
    EVENT_RETRACTED,
    INSIGHT,
    MERGE,
    EventType,
)
from functions.domain.name import DOTS, MAX_NAME, Contact, Name, tidy
from functions.domain.retraction import Retraction

#: Extension attributes the front door stamps on an accepted event.
TENANT = cloudevent.TENANT
RECEIVED = "ssppreceived"
#: Stamped on an event that came through a door which takes every type: one nobody knows is kept, unscored.
ANY_TYPE = "ssppanytype"

#: The account of an event that came through such a door and names none. It is nobody, so nothing counts for it.
UNASSIGNED = "unassigned"
#: Extension attribute: what the event leads to is on record, and nobody is told.
QUIET = "quiet"

_ACCOUNT_SUBJECT = "account/"
#: The members of a CloudEvent in JSON that are no attributes.
_DATA = frozenset({"data", "data_base64"})

#: The signal type of an event of a type nobody knows.
UNSCORED = "unscored"

_UPDATES = (ACCOUNT_UPDATED.type, CONTACT_UPDATED.type)
#: Most events say nothing of the kind.
_NOTHING: dict[str, Scalar] = {}

#: Gives what a type name means to a tenant, or None.
TypeOf = Callable[[str], EventType | None]


class SalesData(BaseModel):
    """``data`` of a sales event."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")

    accountId: Annotated[Name | None, Field(description="Whose engagement it counts for.")] = None  # noqa: N815 - the wire's name
    contactId: Annotated[Contact | None, Field(description="Who, at the account.")] = None  # noqa: N815 - the wire's name
    userId: Annotated[Name | None, Field(description="Which of our representatives.")] = None  # noqa: N815 - the wire's name
    metadata: Annotated[dict[str, Any], Field(description="Anything about the event, kept and searched.")] = {}
    attributes: Annotated[
        Any, Field(description="Of `account.updated` and `contact.updated`: its attributes; null removes one.")
    ] = None
    contact: Annotated[
        Any, Field(description="Of the contact that is named: what in an object can be attributes becomes some.")
    ] = None


class SalesEvent(NamedTuple):
    """One accepted event, in the platform's own terms.

    Args:
        id: a UUID in lower case, the same for every retry of it.
        sent: the event as its sender sent it, without the platform's stamps.
        data: its data as JSON, in whichever form it was sent.
        content: the hash of its content; see :func:`events.content.content_hash`.
        occurred_at: by the sender's clock, but never after it was received: a clock that runs ahead must not
            make points that grow.
        account_says, contact_says: the attributes that it gives its account and its contact; mostly none.
        retracts: the event that it takes back; None of all but retractions.
        ahead: whether its own time is after it was received.
        sent_account: the account that it names, where ``account_id`` counts for that one.
    """

    id: str
    tenant_id: str
    source: str
    source_id: str
    kind: EventType
    account_id: str
    contact_id: str | None
    user_id: str | None
    occurred_at: datetime
    received_at: datetime
    sent: dict[str, Any]
    data: dict[str, Any]
    content: bytes
    account_says: Mapping[str, Scalar] = _NOTHING
    contact_says: Mapping[str, Scalar] = _NOTHING
    retracts: Retraction | None = None
    ahead: bool = False
    sent_account: str | None = None

    @property
    def metadata(self) -> dict[str, Any]:
        """What the sender noted about the event; the part of ``data`` that scores may depend on."""
        noted: dict[str, Any] = self.data.get("metadata", {})
        return noted

    @property
    def nobodys(self) -> bool:
        """Whether it names no account: it counts for nobody, and no account's state is read or written for it."""
        return self.account_id == UNASSIGNED and not self.kind.points

    @property
    def other_account(self) -> str | None:
        """The account that is merged into its own, or is on its own again; None of all but merges."""
        of_merge = self.kind.signal == MERGE and self.account_id != UNASSIGNED
        return merging.other(self.sent_account or self.account_id, self.data) if of_merge else None

    @property
    def quiet(self) -> bool:
        """Whether its sender marked it ``quiet``, as one of a backfill: it is scored, and nobody is told."""
        return self.sent.get(QUIET) in (True, "true")

    @property
    def attributes(self) -> dict[str, Any]:
        """The event's attributes as they were sent, extension attributes among them."""
        return {name: value for name, value in self.sent.items() if name not in _DATA}


def sales_data(event: CloudEvent, type_of: TypeOf, *, any_type: bool) -> tuple[EventType, str, SalesData]:
    """Return the type, the account and the data of a sales event.

    Args:
        any_type: keep an event of a type nobody knows, unscored, and one without an account, without points.

    Raises:
        Refused: 422 with pointers: unknown type, no account, data of the wrong shape.
    """
    kind = type_of(event.type)
    known = kind is not None or (any_type and not event.type.startswith(INSIGHT))
    found = [] if known else [Fault("/type", "is not an event type this tenant has")]
    try:
        data = _data(event)
    except Refused as exc:
        raise Refused("Unacceptable event", status=422, faults=(*found, *exc.faults)) from exc
    account = data.accountId or _account_in_subject(event.subject)
    if kind == EVENT_RETRACTED and not any_type:
        found += retraction.faults(cloudevent.json_data(event) or {})
        account = account or UNASSIGNED
    if account is None and any_type and known:
        return replace(kind or _unscored(event.type), points=0), UNASSIGNED, data
    if account is None:
        found.append(Fault("/data/accountId", "is required, unless subject is account/<id>"))
    elif len(account) > MAX_NAME or account in DOTS:
        found.append(Fault("/subject", f"must name an account with 1 to {MAX_NAME} characters, not a dot or two"))
    if not any_type:
        found += _faults_of_kind(kind, account, event, data)
    if found or account is None:
        raise Refused("Unacceptable event", status=422, faults=tuple(found))
    return kind or _unscored(event.type), account, data


def sales_event(event: CloudEvent, type_of: TypeOf) -> SalesEvent:
    """Read an event that the front door has stamped.

    Raises:
        Refused: 422; it did not come through our front door, or its tenant's types have changed since.
    """
    tenant, received_at = _stamps(event)
    kind, account, data = sales_data(event, type_of, any_type=event.extension(ANY_TYPE) is not None)
    occurred_at, sent = event.occurred_at(), content.sent(event)
    said = cloudevent.json_data(event) or {}
    gives = _SAID_NOTHING
    if _says_something(kind, data) and account != UNASSIGNED:
        gives = says(kind.type, data.contactId, data.attributes, data.contact)
    return SalesEvent(
        id=cloudevent.event_id(tenant, event.source, event.id),
        tenant_id=tenant,
        source=event.source,
        source_id=event.id,
        kind=kind,
        account_id=account,
        contact_id=data.contactId,
        user_id=data.userId,
        occurred_at=min(occurred_at.astimezone(UTC), received_at) if occurred_at else received_at,
        received_at=received_at,
        sent=sent,
        data=said,
        content=content.hash_of(dict(sent), event.model_extra or ()),
        retracts=retraction.retraction(tenant, event.source, said) if kind.type == EVENT_RETRACTED.type else None,
        ahead=occurred_at is not None and occurred_at > received_at,
        account_says=gives.of_account,
        contact_says=gives.of_contact,
    )


def _stamps(event: CloudEvent) -> tuple[str, datetime]:
    """Return the tenant and the moment that the front door has stamped on an event."""
    tenant, received = event.extension(TENANT), event.extension(RECEIVED)
    if tenant is not None and received is not None:
        with suppress(ValueError):
            return tenant, datetime.fromisoformat(received).astimezone(UTC)
    raise Refused("Unacceptable event", status=422, faults=(Fault("", "was not stamped by the front door"),))


def _data(event: CloudEvent) -> SalesData:
    """Read the data of a sales event; none at all is as good as an empty object."""
    data = cloudevent.json_data(event)
    try:
        return SalesData.model_validate({} if data is None else data)
    except ValidationError as exc:
        shape = cloudevent.faults(exc)
        faults = tuple(Fault("/data" + fault.pointer, fault.detail) for fault in shape)
        raise Refused("Unacceptable event", status=422, faults=faults) from exc


def _faults_of_kind(
    kind: EventType | None, account: str | None, event: CloudEvent, data: SalesData
) -> Iterator[Fault]:
    """Yield what is wrong with the data of an event that says more than that something happened."""
    if kind is not None and kind.signal == MERGE:
        yield from merging.faults(account, cloudevent.json_data(event) or {})
    if kind is not None:
        yield from _attribute_faults(kind.type, data.contactId, data.attributes)


class Said(NamedTuple):
    """The attributes that an event gives; mostly none."""

    of_account: Mapping[str, Scalar] = _NOTHING
    of_contact: Mapping[str, Scalar] = _NOTHING


#: What most events say.
_SAID_NOTHING = Said()


def says(type_: str, contact_id: str | None, given: Any, contact: Any) -> Said:
    """Return the attributes that an event gives. Bad ones, which one endpoint takes as data, are none.

    Args:
        type_: of the event, in full.
        given: ``data.attributes``.
        contact: ``data.contact``. Any event may have it, so what in it is no attribute is data like other data.
    """
    if any(_attribute_faults(type_, contact_id, given)):
        return _SAID_NOTHING
    named = contact_id is not None and isinstance(contact, dict)
    of_contact = attributes.usable(contact) if named else _NOTHING
    if type_ == CONTACT_UPDATED.type:
        of_contact = of_contact | given
    return Said(given if type_ == ACCOUNT_UPDATED.type else _NOTHING, of_contact)


def _says_something(kind: EventType | None, data: SalesData) -> bool:
    """Whether an event may give attributes; most do not, and are looked at no further."""
    return data.contact is not None or (kind is not None and kind.signal == ATTRIBUTES)


def _attribute_faults(type_: str, contact_id: str | None, given: Any) -> Iterator[Fault]:
    """Yield what is wrong with the attributes of an event that is there to give some."""
    if type_ not in _UPDATES:
        return
    if type_ == CONTACT_UPDATED.type and contact_id is None:
        yield Fault("/data/contactId", "is required")
    if isinstance(given, dict):
        yield from attributes.faults(given, ("data", "attributes"))
    else:
        yield Fault("/data/attributes", "must be a JSON object")


def _unscored(name: str) -> EventType:
    """A type nobody has said the worth of: kept and found, worth nothing."""
    return EventType(name, UNSCORED, 0, 0, 1, prefix="")


def _account_in_subject(subject: str | None) -> str | None:
    if subject and subject.startswith(_ACCOUNT_SUBJECT):
        return tidy(subject.removeprefix(_ACCOUNT_SUBJECT)) or None
    return None
