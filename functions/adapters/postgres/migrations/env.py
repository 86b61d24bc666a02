"""How Alembic reaches the database: the connection is handed over by functions.adapters.postgres.migrate."""

from alembic import context

# One transaction a migration: those that run outside of one keep what was done before them.
context.configure(
    connection=context.config.attributes["connection"], target_metadata=None, transaction_per_migration=True
)
with context.begin_transaction():
    context.run_migrations()
