"""Full-text search for installations without Elasticsearch: sql/0002_search.sql."""

from functions.adapters.postgres.migrate import run_sql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Run sql/0002_search.sql."""
    run_sql("0002_search")
