"""The notices about one account: sql/0022_timeline.sql."""

from functions.adapters.postgres.migrate import run_each

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    """Run sql/0022_timeline.sql."""
    run_each("0022_timeline")
