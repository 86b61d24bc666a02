"""The first tables: sql/0001_first.sql."""

from functions.adapters.postgres.migrate import run_sql

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Run sql/0001_first.sql."""
    run_sql("0001_first")
