"""Rules have a state: switched off, deleted, unanswered: sql/0009_rule_states.sql."""

from functions.adapters.postgres.migrate import run_sql

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Run sql/0009_rule_states.sql."""
    run_sql("0009_rule_states")
