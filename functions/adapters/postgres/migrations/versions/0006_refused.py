"""Notices that were refused for good are told from forgotten ones: sql/0006_refused.sql."""

from functions.adapters.postgres.migrate import run_sql

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Run sql/0006_refused.sql."""
    run_sql("0006_refused")
