"""Tenants, their keys, plans, event types and rules in PostgreSQL, which keeps them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pydantic_core import to_json

from events.errors import Refused
from functions.adapters.postgres.database import Database, Row
from functions.domain.key import Grant
from functions.domain.plan import OwnEventType, Plan, Rate, Terms

if TYPE_CHECKING:  # the API, which starts from nothing, has no use for the rules' language
    from functions.domain.rule import RuleDefinition


class PostgresTenants:
    """The record of who may do what; the key directory in Redis is a copy of it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep everybody else out of such blocks, in every process, for the length of this one."""
        with self._database.transaction() as tx:
            tx.rows("publish_alone")
            yield

    def put(self, tenant_id: str, name: str, *, contact: str | None = None) -> None:
        """Create a tenant, or rename it; ``contact`` is the e-mail address for quota warnings, kept when None."""
        with self._database.transaction() as tx:
            tx.rows("put_tenant", tenant_id=tenant_id, name=name, contact=contact)

    def exists(self, tenant_id: str) -> bool:
        """Whether there is such a tenant."""
        with self._database.transaction() as tx:
            return tx.row("find_tenant", tenant_id=tenant_id) is not None

    def tenants(self) -> list[Row]:
        """Every tenant as a row of id, name, plan, suspended, created and how many of its keys work, by id."""
        with self._database.transaction() as tx:
            return tx.rows("list_tenants")

    def put_plan(self, tenant_id: str, plan: Plan) -> None:
        """Set a tenant's limits.

        Raises:
            Refused: there is no such tenant.
        """
        with self._database.transaction() as tx:
            row = tx.row("put_plan", tenant_id=tenant_id, plan=plan.model_dump_json(exclude_none=True))
            _found(row, f"tenant {tenant_id}")

    def suspend(self, tenant_id: str, *, suspended: bool) -> None:
        """Suspend a tenant, or take it back.

        Raises:
            Refused: there is no such tenant.
        """
        with self._database.transaction() as tx:
            _found(tx.row("suspend_tenant", tenant_id=tenant_id, suspended=suspended), f"tenant {tenant_id}")

    def put_event_type(self, tenant_id: str, own: OwnEventType) -> None:
        """Record an event type; a changed definition is a new version, the same one changes nothing."""
        with self._database.transaction() as tx:
            tx.rows("put_event_type", tenant_id=tenant_id, type=own.type, definition=own.model_dump_json())

    def terms(self) -> dict[str, Terms]:
        """Every tenant's terms, by id."""
        with self._database.transaction() as tx:
            return {
                row["tenant_id"]: Terms.model_validate(
                    {"suspended": row["suspended"], "plan": row["plan"], "types": row["types"]}
                )
                for row in tx.rows("all_terms")
            }

    def put_key(self, digest: str, grant: Grant, label: str) -> None:
        """Record a key; one that is there already stays as it is."""
        scopes = "{" + ",".join(sorted(grant.scopes)) + "}"
        with self._database.transaction() as tx:
            tx.rows(
                "put_key",
                tenant_id=grant.tenant_id,
                digest=digest,
                label=label,
                scopes=scopes,
                expires_at=grant.expires_at,
            )

    def rotate_key(self, old: str, new: str, ends_at: datetime) -> None:
        """Record ``new`` with what ``old`` may do, and let ``old`` end at ``ends_at``: both or neither.

        Raises:
            Refused: there is no such key, or it is revoked.
        """
        with self._database.transaction() as tx:
            _found(tx.row("rotate_key", old=old, new=new, ends_at=ends_at), f"key {old[:12]} that works")

    def revoke_key(self, digest: str) -> None:
        """End a key now; one that ended before stays ended."""
        with self._database.transaction() as tx:
            tx.rows("revoke_key", digest=digest)

    def keys(self, tenant_id: str) -> list[Row]:
        """A tenant's keys as rows of digest, label, scopes and times, the newest first."""
        with self._database.transaction() as tx:
            return tx.rows("list_keys", tenant_id=tenant_id)

    def keys_like(self, prefix: str) -> list[Row]:
        """The keys of all tenants whose digest begins so, as rows of tenant_id, digest, label and ends."""
        with self._database.transaction() as tx:
            return tx.rows("keys_like", prefix=prefix)

    def active_keys(self) -> dict[str, Grant]:
        """Every key that is not revoked, by digest."""
        with self._database.transaction() as tx:
            return {row["digest"]: _grant(row) for row in tx.rows("active_keys")}

    def revoked_keys(self) -> list[str]:
        """The digests of the keys that were revoked."""
        with self._database.transaction() as tx:
            return [row["digest"] for row in tx.rows("revoked_keys")]

    def find(self, digest: str) -> Grant | None:
        """See :class:`functions.ports.KeyDirectory`."""
        with self._database.transaction() as tx:
            row = tx.row("find_key", digest=digest)
        if row is None:
            return None
        with self._database.transaction(tenant=row["tenant_id"]) as tx:
            limits = tx.row("read_rate", tenant_id=row["tenant_id"])
        rate = limits and limits["read_rate"]
        return replace(_grant(row), read_rate=Rate.model_validate(rate) if rate else None)

    def put_rule(self, tenant_id: str, rule_id: UUID, definition: RuleDefinition) -> None:
        """Record a rule; a changed definition is a new version, the same one changes nothing."""
        text = to_json(definition).decode()
        with self._database.transaction() as tx:
            tx.rows("put_rule", tenant_id=tenant_id, rule_id=str(rule_id), definition=text)

    def rules(self, tenant_id: str, rule_id: UUID | None = None) -> list[Row]:
        """A tenant's rules as rows of newest version and state, the oldest first; only ``rule_id`` where given."""
        with self._database.transaction() as tx:
            return tx.rows("list_rules", tenant_id=tenant_id, rule_id=str(rule_id) if rule_id else None)

    def change_rule(
        self, tenant_id: str, rule_id: UUID, *, disabled: str | None = None, deleted: bool = False
    ) -> None:
        """Switch a rule on, or off for the reason ``disabled``, or delete it.

        Raises:
            Refused: there is no such rule.
        """
        with self._database.transaction() as tx:
            row = tx.row("change_rule", tenant_id=tenant_id, rule_id=str(rule_id), because=disabled, deleted=deleted)
            _found(row, f"rule {rule_id}")

    def events_in(self, month: date) -> dict[str, int]:
        """How many events each tenant has had processed in the month that begins with ``month``."""
        with self._database.transaction() as tx:
            return {row["tenant_id"]: row["events"] for row in tx.rows("events_this_month", month=month)}


def _grant(row: Mapping[str, Any]) -> Grant:
    return Grant(row["tenant_id"], frozenset(row["scopes"]), row["expires_at"], row.get("suspended", False))


def _found(row: Row | None, what: str) -> Row:
    if row is None:
        raise Refused("Not found", status=404, detail=f"there is no {what}")
    return row
