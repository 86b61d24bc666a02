"""Tenants, their keys and rules in PostgreSQL."""

from __future__ import annotations

from uuid import UUID

from functions.adapters.postgres.database import Database
from functions.domain.key import Grant
from functions.domain.rule import RuleDefinition


class PostgresTenants:
    """The record of who may do what; the key directory in Redis is a copy of it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, tenant_id: str, name: str) -> None:
        """Create a tenant, or rename it."""
        with self._database.transaction() as tx:
            tx.rows("put_tenant", tenant_id=tenant_id, name=name)

    def put_key(self, digest: str, grant: Grant, label: str) -> None:
        """Record a key; one that is there already stays as it is."""
        scopes = "{" + ",".join(sorted(grant.scopes)) + "}"
        with self._database.transaction() as tx:
            tx.rows("put_key", tenant_id=grant.tenant_id, digest=digest, label=label, scopes=scopes)

    def put_rule(self, tenant_id: str, rule_id: UUID, definition: RuleDefinition) -> None:
        """Record a rule; a changed definition is a new version, the same one changes nothing."""
        with self._database.transaction() as tx:
            tx.rows("put_rule", tenant_id=tenant_id, rule_id=str(rule_id), definition=definition.model_dump_json())

    def active_keys(self) -> dict[str, Grant]:
        """Every key that works, by digest."""
        with self._database.transaction() as tx:
            return {row["digest"]: Grant(row["tenant_id"], frozenset(row["scopes"])) for row in tx.rows("active_keys")}

    def find(self, digest: str) -> Grant | None:
        """See :class:`functions.ports.KeyDirectory`."""
        with self._database.transaction() as tx:
            row = tx.row("find_key", digest=digest)
        return Grant(row["tenant_id"], frozenset(row["scopes"])) if row else None
