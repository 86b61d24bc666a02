"""Finding forgotten notices: sql/0004_forgotten.sql."""

from functions.adapters.postgres.migrate import run_sql

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Run sql/0004_forgotten.sql."""
    run_sql("0004_forgotten")
