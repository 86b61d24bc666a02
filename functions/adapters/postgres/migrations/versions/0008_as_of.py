"""Accounts know the moment of their newest event: sql/0008_as_of.sql."""

from functions.adapters.postgres.migrate import run_sql

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Run sql/0008_as_of.sql."""
    run_sql("0008_as_of")
