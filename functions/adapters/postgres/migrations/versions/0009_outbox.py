"""Notices are claimed, sent and recorded, tried again over days, and summed up: sql/0009_outbox.sql."""

from functions.adapters.postgres.migrate import run_sql

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Run sql/0009_outbox.sql."""
    run_sql("0009_outbox")
