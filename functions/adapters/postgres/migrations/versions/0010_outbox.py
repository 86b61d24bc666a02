"""Notices are claimed, sent and recorded, tried again over days, and summed up: sql/0010_outbox.sql."""

from functions.adapters.postgres.migrate import run_sql

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Run sql/0010_outbox.sql."""
    run_sql("0010_outbox")
