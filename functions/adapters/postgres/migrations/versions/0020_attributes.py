"""Attributes of accounts: sql/0020_attributes.sql."""

from functions.adapters.postgres.migrate import run_sql

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Run sql/0020_attributes.sql."""
    run_sql("0020_attributes")
