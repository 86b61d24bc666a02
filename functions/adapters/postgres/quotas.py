"""Monthly limits in PostgreSQL: who has one, and the notices that it comes near."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import NamedTuple
from uuid import UUID

from functions.adapters.postgres.database import Database
from functions.adapters.postgres.parameters import json_rows
from functions.domain.plan import Monthly, Plan
from functions.domain.quota import QuotaNotice


class Limited(NamedTuple):
    """A tenant's monthly limit, and whom to tell of it: None where nobody has said."""

    monthly: Monthly
    contact: str | None


class PostgresQuotas:
    """See the module."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def limited(self) -> dict[str, Limited]:
        """Return every tenant with a monthly limit, by id.

        Raises:
            Unavailable: PostgreSQL could not be reached.
        """
        with self._database.transaction() as tx:
            rows = tx.rows("limited_tenants")
        return {row["tenant_id"]: Limited(Plan.model_validate(row["plan"]).monthly, row["contact"]) for row in rows}

    def put(self, notices: Iterable[QuotaNotice]) -> list[tuple[str, UUID]]:
        """Record notices.

        Returns:
            Tenant and id of those that were not on record.
        Raises:
            Unavailable: PostgreSQL could not be reached; the same call again is safe.
        """
        given = json_rows(asdict(notice) for notice in notices)
        with self._database.transaction() as tx:
            return [(row["tenant_id"], row["id"]) for row in tx.rows("put_quota_notices", notices=given)]
