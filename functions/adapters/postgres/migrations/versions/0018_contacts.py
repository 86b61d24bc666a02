"""Contacts of an account, a row each: sql/0018_contacts.sql."""

from functions.adapters.postgres.migrate import run_sql

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Run sql/0018_contacts.sql."""
    run_sql("0018_contacts")
