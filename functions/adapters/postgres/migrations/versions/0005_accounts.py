"""What is known of an account in its own row: sql/0005_accounts.sql."""

from functions.adapters.postgres.migrate import run_sql

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Run sql/0005_accounts.sql."""
    run_sql("0005_accounts")
