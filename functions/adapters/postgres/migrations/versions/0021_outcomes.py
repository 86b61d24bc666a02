"""Indexes for calibration: sql/0021_outcomes.sql."""

from functions.adapters.postgres.migrate import run_each

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Run sql/0021_outcomes.sql."""
    run_each("0021_outcomes")
