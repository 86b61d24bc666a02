"""Plans, own event types, keys that expire: sql/0003_plans.sql."""

from functions.adapters.postgres.migrate import run_sql

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Run sql/0003_plans.sql."""
    run_sql("0003_plans")
