"""Setting tenants up: in PostgreSQL, which keeps them, and in the key directory, which the front door reads."""

from __future__ import annotations

from uuid import UUID

from events import channel
from functions.adapters.postgres.database import Database
from functions.adapters.postgres.tenants import PostgresTenants
from functions.adapters.redis.keys import RedisKeyDirectory
from functions.domain.key import READ, WRITE_EVENTS, Grant, digest
from functions.domain.rule import Condition, RuleDefinition

DEMO_TENANT = "demo"
DEMO_RULE = UUID("00000000-0000-4000-8000-000000000001")
DEMO_RULE_DEFINITION = RuleDefinition.model_validate(
    {
        "name": "engagement crossed 50",
        "when": "account.engagement >= 50",
        "then": [{"channel": "email", "to": "sales@example.com"}],
    }
)


def ensure_tenant(
    tenant_id: str,
    *,
    name: str,
    key: str,
    rules: dict[UUID, RuleDefinition],
    database_url: str,
    redis_url: str,
) -> None:
    """Make sure a tenant exists with this key and these rules; safe to repeat.

    Raises:
        Refused: a rule's condition does not compile.
        Unavailable: PostgreSQL or Redis could not be reached; the same call again finishes the work.
    """
    for definition in rules.values():
        Condition.compile(definition.when)
    grant = Grant(tenant_id, frozenset({WRITE_EVENTS, READ}))
    database = Database(database_url)
    client = channel.connect(redis_url)
    try:
        tenants = PostgresTenants(database)
        tenants.put(tenant_id, name)
        tenants.put_key(digest(key), grant, label="first")
        for rule_id, definition in rules.items():
            tenants.put_rule(tenant_id, rule_id, definition)
        RedisKeyDirectory(client).put(tenants.active_keys())
    finally:
        database.close()
        client.close()


def ensure_demo(*, database_url: str, redis_url: str, api_key: str) -> None:
    """Make sure of the tenant that `make run` shows: one key, one rule."""
    ensure_tenant(
        DEMO_TENANT,
        name="Demo",
        key=api_key,
        rules={DEMO_RULE: DEMO_RULE_DEFINITION},
        database_url=database_url,
        redis_url=redis_url,
    )
