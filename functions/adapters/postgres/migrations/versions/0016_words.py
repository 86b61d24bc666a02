"""Signals hold the words they are found by: sql/0016_words.sql."""

from functions.adapters.postgres.migrate import run_each, run_sql

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Run sql/0016_words.sql, then sql/0016_words_indexes.sql."""
    run_sql("0016_words")
    run_each("0016_words_indexes")
