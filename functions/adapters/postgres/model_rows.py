"""Versions of scoring models, as PostgreSQL has them in its rows."""

from __future__ import annotations

from collections.abc import Collection

from functions.adapters.postgres.database import Row, Transaction
from functions.adapters.postgres.parameters import json_tenants
from functions.domain.model import UNCHANGED, ScoringModel, Versioned

#: One above the largest number of a version.
ABOVE_ALL = 2**31 - 1


def model_of(tx: Transaction, tenant_id: str) -> Versioned:
    """Return the version of a tenant's scoring model that counts now."""
    rows = tx.rows("list_models", tenant_id=tenant_id, before=ABOVE_ALL, most=1)
    return version_of(rows[0]) if rows else UNCHANGED


def models_of(tx: Transaction, tenants: Collection[str]) -> dict[str, Versioned]:
    """Return the same of several tenants, of those that have made one."""
    rows = tx.rows("models_of_tenants", tenants=json_tenants(tenants))
    return {row["tenant_id"]: version_of(row) for row in rows}


def version_of(row: Row) -> Versioned:
    """Return a version from its row."""
    model = ScoringModel.as_saved(row["definition"])
    return Versioned(row["version"], model, row["created_at"], row["created_by"])
