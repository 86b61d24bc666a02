"""An account's sums by event type, and its ranks: sql/0014_sums.sql."""

from functions.adapters.postgres.migrate import run_sql

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Run sql/0014_sums.sql."""
    run_sql("0014_sums")
