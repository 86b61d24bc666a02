"""Events are kept whole: sql/0007_events.sql."""

from functions.adapters.postgres.migrate import run_sql

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Run sql/0007_events.sql."""
    run_sql("0007_events")
