"""Signals say how they stand, and what was retracted: sql/0022_standing.sql."""

from functions.adapters.postgres.migrate import run_each, run_sql

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    """Run sql/0022_standing.sql, then sql/0022_standing_indexes.sql."""
    run_sql("0022_standing")
    run_each("0022_standing_indexes")
