"""A key is found by its digest without a right to read keys: sql/0011_find_key.sql."""

from functions.adapters.postgres.migrate import run_sql

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Run sql/0011_find_key.sql."""
    run_sql("0011_find_key")
