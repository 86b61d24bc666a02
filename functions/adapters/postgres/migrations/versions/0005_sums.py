"""An account's sums in its own row: sql/0005_sums.sql."""

from functions.adapters.postgres.migrate import run_sql

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Run sql/0005_sums.sql."""
    run_sql("0005_sums")
