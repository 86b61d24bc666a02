"""A notice may be due to no event: sql/0012_quota.sql."""

from functions.adapters.postgres.migrate import run_sql

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Run sql/0012_quota.sql."""
    run_sql("0012_quota")
