"""The notices about one account: sql/0023_timeline.sql."""

from functions.adapters.postgres.migrate import run_each

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    """Run sql/0023_timeline.sql."""
    run_each("0023_timeline")
