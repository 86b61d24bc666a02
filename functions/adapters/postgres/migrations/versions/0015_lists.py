"""Indexes for lists of signals and notices: sql/0015_lists.sql."""

from functions.adapters.postgres.migrate import run_each

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Run sql/0015_lists.sql."""
    run_each("0015_lists")
