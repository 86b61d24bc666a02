"""Migrations, forward only: Alembic keeps the order, ``migrations/sql`` holds the statements."""

from __future__ import annotations

from pathlib import Path

import pg8000.dbapi
from alembic import command, op
from alembic.config import Config
from pg8000.exceptions import DatabaseError
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from functions.adapters.postgres import trouble
from functions.adapters.postgres.database import MIGRATION_TIMEOUT_MS, connection_arguments

_FOLDER = Path(__file__).parent / "migrations"
#: One migration at a time, whoever starts it; the number only has to be ours.
_LOCK = 0x55B9


def upgrade(url: str, to: str = "head") -> None:
    """Bring the database at ``url`` to the version ``to``, the newest; safe to repeat and to run twice at once.

    Raises:
        Unavailable: PostgreSQL is away, read-only, or lets this user change nothing.
        Refused: a migration cannot be made of what is stored. Nothing of it was kept in either case.
    """
    try:
        _upgrade(url, to)
    except DBAPIError as exc:
        cause = exc.orig
        raise (
            trouble.translated(cause) if isinstance(cause, DatabaseError) else trouble.unreachable(cause or exc)
        ) from exc


def _upgrade(url: str, to: str) -> None:
    engine = create_engine(
        "postgresql+pg8000://",
        creator=lambda: pg8000.dbapi.connect(**connection_arguments(url, statement_ms=MIGRATION_TIMEOUT_MS)),
        poolclass=NullPool,
    )
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
        connection.commit()
        config = Config()
        config.set_main_option("script_location", str(_FOLDER))
        config.attributes["connection"] = connection
        command.upgrade(config, to)
        connection.commit()
    engine.dispose()


def run_sql(name: str) -> None:
    """Run ``migrations/sql/<name>.sql`` inside the migration's transaction."""
    statements = (_FOLDER / "sql" / f"{name}.sql").read_text("utf-8")
    # Without parameters the text goes to the server as it is: several statements, no placeholders.
    op.get_bind().exec_driver_sql(statements, execution_options={"no_parameters": True})
