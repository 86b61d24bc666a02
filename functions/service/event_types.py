"""A tenant's own event types. A new version counts for the events that arrive after it."""

from __future__ import annotations

from events.errors import Fault, Refused
from functions.domain import schema
from functions.domain.catalog import EVENT_TYPES, PREFIX
from functions.domain.key import MANAGE
from functions.domain.plan import OwnEventType
from functions.service.principal import Principal
from functions.service.register import Register


def put(register: Register, by: Principal, tenant_id: str, own: OwnEventType) -> None:
    """Add an event type or a new version of it; the same definition again changes nothing.

    Raises:
        Refused: 422, the name is the platform's or the schema cannot be used; 404, there is no such tenant.
    """
    by.require(MANAGE, tenant_id)
    if own.type.startswith(PREFIX) or own.type in EVENT_TYPES:
        raise Refused("Unacceptable event type", status=422, faults=(Fault("/type", "is the platform's"),))
    if own.dataSchema is not None:
        schema.check(own.dataSchema)
    register.require_tenant(tenant_id)
    with register.change() as record:
        record.put_event_type(tenant_id, own)


def listed(register: Register, by: Principal, tenant_id: str) -> list[OwnEventType]:
    """Return a tenant's own event types in their newest versions, by name.

    Raises:
        Refused: 404, there is no such tenant.
    """
    by.require(MANAGE, tenant_id)
    register.require_tenant(tenant_id)
    return [own for _, own in sorted(register.record.terms()[tenant_id].types.items())]
