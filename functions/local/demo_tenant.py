"""The tenant that `make run` sets up: one key, one rule."""

from __future__ import annotations

from uuid import UUID

from functions.domain.rule import RuleDefinition
from functions.service import first_tenant

DEMO_TENANT = "demo"
DEMO_RULE = UUID("00000000-0000-4000-8000-000000000001")
DEMO_RULE_DEFINITION = RuleDefinition.model_validate(
    {
        "name": "engagement crossed 50",
        "when": "account.engagement >= 50",
        "then": [{"channel": "email", "to": "sales@example.com"}],
    }
)


def ensure_demo(*, database_url: str, redis_url: str, api_key: str) -> None:
    """Make sure that the demo tenant exists; see :func:`functions.service.first_tenant.ensure`."""
    first_tenant.ensure(
        DEMO_TENANT,
        name="Demo",
        key=api_key,
        definitions={DEMO_RULE: DEMO_RULE_DEFINITION},
        database_url=database_url,
        redis_url=redis_url,
    )
