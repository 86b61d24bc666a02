"""Insights of accounts: sql/0023_insights.sql."""

from functions.adapters.postgres.migrate import run_sql

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    """Run sql/0023_insights.sql."""
    run_sql("0023_insights")
