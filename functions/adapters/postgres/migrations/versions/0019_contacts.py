"""Contacts of an account, a row each: sql/0019_contacts.sql."""

from functions.adapters.postgres.migrate import run_sql

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Run sql/0019_contacts.sql."""
    run_sql("0019_contacts")
