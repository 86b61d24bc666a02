"""The notices about one account: sql/0024_timeline.sql."""

from functions.adapters.postgres.migrate import run_each

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    """Run sql/0024_timeline.sql."""
    run_each("0024_timeline")
