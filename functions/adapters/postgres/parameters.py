"""Parameters of statements: many rows as one of them."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic_core import to_json


def json_rows(rows: Iterable[object]) -> str:
    """Return rows as one JSON parameter: see docs/architecture.md on why not arrays or many VALUES."""
    return to_json(list(rows)).decode()


def json_tenants(tenants: Iterable[str]) -> str:
    """Return tenants as such rows, in a fixed order."""
    return json_rows({"tenant_id": tenant} for tenant in sorted(tenants))
