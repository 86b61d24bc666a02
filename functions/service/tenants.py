"""Tenants: create, rename, limit and suspend them. A change holds at every endpoint within two seconds."""

from __future__ import annotations

from functions.adapters.postgres.database import Row
from functions.domain.key import MANAGE
from functions.domain.plan import Plan
from functions.service.principal import Principal
from functions.service.register import Register


def put(register: Register, by: Principal, tenant_id: str, name: str, *, contact: str | None = None) -> None:
    """Create a tenant or rename it.

    Args:
        contact: the e-mail address for quota warnings; None keeps the one on record.
    """
    by.require(MANAGE, tenant_id)
    with register.change() as record:
        record.put(tenant_id, name, contact=contact)


def listed(register: Register, by: Principal) -> list[Row]:
    """Return the tenants that ``by`` reaches: id, name, plan, suspended, created, number of working keys; by id."""
    by.require_scope(MANAGE)
    return [row for row in register.record.tenants() if by.reaches(row["id"])]


def plan(register: Register, by: Principal, tenant_id: str) -> Plan:
    """Return a tenant's limits.

    Raises:
        Refused: 404, there is no such tenant.
    """
    by.require(MANAGE, tenant_id)
    register.require_tenant(tenant_id)
    return register.record.terms()[tenant_id].plan


def put_plan(register: Register, by: Principal, tenant_id: str, limits: Plan) -> None:
    """Replace all of a tenant's limits.

    Raises:
        Refused: 404, there is no such tenant.
    """
    by.require(MANAGE, tenant_id)
    with register.change() as record:
        record.put_plan(tenant_id, limits)


def suspend(register: Register, by: Principal, tenant_id: str, *, suspended: bool) -> None:
    """Suspend a tenant or resume it.

    Raises:
        Refused: 404, there is no such tenant.
    """
    by.require(MANAGE, tenant_id)
    with register.change() as record:
        record.suspend(tenant_id, suspended=suspended)
