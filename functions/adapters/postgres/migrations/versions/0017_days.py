"""Sums by day and by contact: sql/0017_days.sql."""

from functions.adapters.postgres.migrate import run_sql

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Run sql/0017_days.sql."""
    run_sql("0017_days")
