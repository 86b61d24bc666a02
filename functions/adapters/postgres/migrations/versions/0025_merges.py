"""Accounts that are one customer: sql/0025_merges.sql."""

from functions.adapters.postgres.migrate import run_sql

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    """Run sql/0025_merges.sql."""
    run_sql("0025_merges")
