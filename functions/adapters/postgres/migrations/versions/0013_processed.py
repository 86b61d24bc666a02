"""Finding the signals that were processed last: sql/0013_processed.sql."""

from functions.adapters.postgres.migrate import run_sql

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Run sql/0013_processed.sql."""
    run_sql("0013_processed")
