"""A tenant with one key and its rules, set up in one call that may be repeated."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from functions.domain.key import EVERY_SCOPE, Grant
from functions.domain.rule import RuleDefinition
from functions.service import keys, rules, tenants
from functions.service.principal import OPERATOR
from functions.service.register import opened


def ensure(
    tenant_id: str,
    *,
    name: str,
    key: str,
    definitions: Mapping[UUID, RuleDefinition],
    database_url: str,
    redis_url: str,
) -> None:
    """Make sure that a tenant exists with this key, which has every scope, and these rules.

    Raises:
        Refused: a rule's condition does not compile.
        Unavailable: PostgreSQL or Redis could not be reached; the same call again finishes the work.
    """
    with opened(database_url, redis_url) as register:
        tenants.put(register, OPERATOR, tenant_id, name)
        for rule_id, definition in definitions.items():
            rules.put(register, OPERATOR, tenant_id, rule_id, definition)
        keys.issue(register, OPERATOR, key, Grant(tenant_id, EVERY_SCOPE), label="first")
