"""Setting tenants up: in PostgreSQL, which keeps them, and in the key directory, which the front door reads.

PostgreSQL is always written first; the directory follows from it, so the same call again mends a failed one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

from events import channel
from events.errors import Fault, Refused
from functions.adapters.postgres.database import Database, Row
from functions.adapters.postgres.tenants import PostgresTenants
from functions.adapters.redis.keys import RedisKeyDirectory
from functions.domain import schema
from functions.domain.catalog import EVENT_TYPES, PREFIX
from functions.domain.condition import Condition
from functions.domain.key import READ, READ_DEAD_LETTERS, WRITE_DEAD_LETTERS, WRITE_EVENTS, Grant, digest
from functions.domain.plan import OwnEventType, Plan
from functions.domain.rule import MOST_RULES, RuleDefinition, check_names

DEMO_TENANT = "demo"
DEMO_RULE = UUID("00000000-0000-4000-8000-000000000001")
DEMO_RULE_DEFINITION = RuleDefinition.model_validate(
    {
        "name": "engagement crossed 50",
        "when": "account.engagement >= 50",
        "then": [{"channel": "email", "to": "sales@example.com"}],
    }
)
EVERY_SCOPE = frozenset({WRITE_EVENTS, READ, READ_DEAD_LETTERS, WRITE_DEAD_LETTERS})


class Tenants:
    """What an operator does with tenants.

    Every method raises :class:`events.errors.Unavailable` when PostgreSQL or Redis cannot be reached; the same
    call again finishes the work.
    """

    def __init__(self, record: PostgresTenants, directory: RedisKeyDirectory) -> None:
        self.record = record
        self._directory = directory

    def put(self, tenant_id: str, name: str, *, contact: str | None = None) -> None:
        """Create a tenant, or rename it; ``contact`` is the e-mail address told of quotas, kept when None."""
        self.record.put(tenant_id, name, contact=contact)
        self.publish()

    def put_plan(self, tenant_id: str, plan: Plan) -> None:
        """Give a tenant its limits; they hold within two seconds."""
        self.record.put_plan(tenant_id, plan)
        self.publish()

    def suspend(self, tenant_id: str, *, suspended: bool) -> None:
        """Suspend a tenant, or take it back; it holds within two seconds."""
        self.record.suspend(tenant_id, suspended=suspended)
        self.publish()

    def put_event_type(self, tenant_id: str, own: OwnEventType) -> None:
        """Give a tenant an event type of its own.

        Raises:
            Refused: the name is the platform's, or the schema cannot be used.
        """
        if own.type.startswith(PREFIX) or own.type in EVENT_TYPES:
            raise Refused("Unacceptable event type", status=422, faults=(Fault("/type", "is the platform's"),))
        if own.dataSchema is not None:
            schema.check(own.dataSchema)
        self._must_exist(tenant_id)
        self.record.put_event_type(tenant_id, own)
        self.publish()

    def put_rule(self, tenant_id: str, rule_id: UUID, definition: RuleDefinition) -> None:
        """Give a tenant a rule, or a new version of one.

        Raises:
            Refused: its condition does not compile, is too costly or can never be true; the tenant has too many rules.
        """
        condition = Condition.compile(definition.when)
        self._must_exist(tenant_id)
        check_names(condition, self.record.terms()[tenant_id].types)
        rules = self.record.rules(tenant_id)
        if len(rules) >= MOST_RULES and rule_id not in {row["id"] for row in rules}:
            raise Refused("Too many rules", status=422, detail=f"a tenant has at most {MOST_RULES} rules; delete one")
        self.record.put_rule(tenant_id, rule_id, definition)

    def rule(self, tenant_id: str, rule_id: UUID) -> Row:
        """A tenant's rule with its state.

        Raises:
            Refused: 404, there is none.
        """
        found = self.record.rules(tenant_id, rule_id)
        if not found:
            raise Refused("Not found", status=404, detail=f"{tenant_id} has no rule {rule_id}")
        return found[0]

    def enable_rule(self, tenant_id: str, rule_id: UUID) -> None:
        """Switch a rule on.

        Raises:
            Refused: there is none, or its condition would not be saved today.
        """
        Condition.compile(self.rule(tenant_id, rule_id)["when"])
        self.record.change_rule(tenant_id, rule_id)

    def issue_key(self, key: str, grant: Grant, label: str) -> None:
        """Let ``key`` work for whom ``grant`` says."""
        self._must_exist(grant.tenant_id)
        self.record.put_key(digest(key), grant, label)
        self.publish()

    def rotate_key(self, old: str, new: str, old_ends: datetime) -> None:
        """Let ``new`` work as ``old`` does, as long as it would have, and ``old`` only until ``old_ends``.

        Args:
            old: the digest of the key to be replaced.
            new: the key that replaces it.
        """
        self.record.rotate_key(old, digest(new), old_ends)
        self.publish()

    def revoke_key(self, key_digest: str) -> None:
        """End a key; it is refused everywhere within two seconds."""
        self.record.revoke_key(key_digest)
        self.publish()

    def _must_exist(self, tenant_id: str) -> None:
        if not self.record.exists(tenant_id):
            raise Refused("Not found", status=404, detail=f"there is no tenant {tenant_id}")

    def publish(self) -> None:
        """Write the directory from the record: every tenant, every key.

        One at a time, whoever does it: what was read first would else overwrite what was read later.
        """
        with self.record.alone():
            self._directory.put(self.record.active_keys(), self.record.terms())
            self._directory.remove(self.record.revoked_keys())
            self._directory.complete()


@contextmanager
def opened(database_url: str, redis_url: str) -> Iterator[Tenants]:
    """Connect to both for the length of the block."""
    database, client = Database(database_url), channel.connect(redis_url)
    try:
        yield Tenants(PostgresTenants(database), RedisKeyDirectory(client))
    finally:
        database.close()
        client.close()


def ensure_tenant(
    tenant_id: str,
    *,
    name: str,
    key: str,
    rules: Mapping[UUID, RuleDefinition],
    database_url: str,
    redis_url: str,
) -> None:
    """Make sure a tenant exists with this key and these rules; safe to repeat.

    Raises:
        Refused: a rule's condition does not compile.
        Unavailable: PostgreSQL or Redis could not be reached; the same call again finishes the work.
    """
    with opened(database_url, redis_url) as tenants:
        tenants.record.put(tenant_id, name)
        for rule_id, definition in rules.items():
            tenants.put_rule(tenant_id, rule_id, definition)
        tenants.issue_key(key, Grant(tenant_id, EVERY_SCOPE), label="first")


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
