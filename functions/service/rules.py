"""A tenant's rules: save, list, switch on and off, delete. A condition is checked each time a rule is saved."""

from __future__ import annotations

from uuid import UUID

from events.errors import Refused
from functions.adapters.postgres.database import Row
from functions.domain.condition import Condition
from functions.domain.key import MANAGE
from functions.domain.rule import MOST_RULES, RuleDefinition, check_names
from functions.service.principal import Principal
from functions.service.register import Register

_BY_HAND = "switched off by an operator"


def put(register: Register, by: Principal, tenant_id: str, rule_id: UUID, definition: RuleDefinition) -> None:
    """Add a rule or a new version of it; the same definition again changes nothing.

    Raises:
        Refused: 422, the condition does not compile, is too costly or can never be true, or the tenant has too many
            rules; 404, there is no such tenant.
    """
    by.require(MANAGE, tenant_id)
    condition = Condition.compile(definition.when)
    register.require_tenant(tenant_id)
    check_names(condition, register.record.terms()[tenant_id].types)
    rules = register.record.rules(tenant_id)
    if len(rules) >= MOST_RULES and rule_id not in {row["id"] for row in rules}:
        raise Refused("Too many rules", status=422, detail=f"a tenant has at most {MOST_RULES} rules; delete one")
    register.record.put_rule(tenant_id, rule_id, definition)


def change(register: Register, by: Principal, tenant_id: str, rule_id: UUID, definition: RuleDefinition) -> None:
    """Save a new version of a rule that exists; see :func:`put`.

    Raises:
        Refused: 404, there is no such rule.
    """
    found(register, by, tenant_id, rule_id)
    put(register, by, tenant_id, rule_id, definition)


def listed(register: Register, by: Principal, tenant_id: str) -> list[Row]:
    """Return a tenant's rules in their newest versions with their state, the oldest first.

    Raises:
        Refused: 404, there is no such tenant.
    """
    by.require(MANAGE, tenant_id)
    register.require_tenant(tenant_id)
    return register.record.rules(tenant_id)


def found(register: Register, by: Principal, tenant_id: str, rule_id: UUID) -> Row:
    """Return one rule with its state.

    Raises:
        Refused: 404, there is no such tenant or rule.
    """
    by.require(MANAGE, tenant_id)
    register.require_tenant(tenant_id)
    rows = register.record.rules(tenant_id, rule_id)
    if not rows:
        raise Refused("Not found", status=404, detail=f"{tenant_id} has no rule {rule_id}")
    return rows[0]


def enable(register: Register, by: Principal, tenant_id: str, rule_id: UUID) -> Row:
    """Switch a rule on.

    Returns:
        The rule as it was before.
    Raises:
        Refused: 404, there is no such rule; 422, its condition would not be saved today.
    """
    row = found(register, by, tenant_id, rule_id)
    Condition.compile(row["when"])
    register.record.change_rule(tenant_id, rule_id)
    return row


def disable(register: Register, by: Principal, tenant_id: str, rule_id: UUID) -> Row:
    """Switch a rule off.

    Returns:
        The rule as it was before.
    Raises:
        Refused: 404, there is no such rule.
    """
    row = found(register, by, tenant_id, rule_id)
    register.record.change_rule(tenant_id, rule_id, disabled=_BY_HAND)
    return row


def delete(register: Register, by: Principal, tenant_id: str, rule_id: UUID) -> Row:
    """Delete a rule. Its notices stay and keep naming it.

    Returns:
        The rule as it was before.
    Raises:
        Refused: 404, there is no such rule.
    """
    row = found(register, by, tenant_id, rule_id)
    register.record.change_rule(tenant_id, rule_id, deleted=True)
    return row
