"""How Alembic reaches the database: the connection is handed over by functions.adapters.postgres.migrate."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], target_metadata=None)
with context.begin_transaction():
    context.run_migrations()
