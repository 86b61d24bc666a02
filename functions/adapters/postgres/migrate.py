"""Migrations, forward only: Alembic keeps the order, ``migrations/sql`` holds the statements. And the logins of the
parts: ``migrations/grants.sql`` says what each may do.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pg8000.dbapi
from alembic import command, op
from alembic.config import Config
from pg8000.exceptions import DatabaseError
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from functions.adapters.postgres import scram, trouble
from functions.adapters.postgres.database import MIGRATION_TIMEOUT_MS, connection_arguments

_FOLDER = Path(__file__).parent / "migrations"
#: One migration at a time, whoever starts it; the number only has to be ours.
_LOCK = 0x55B9


def upgrade(url: str, to: str = "head", *, passwords: Mapping[str, str] | None = None) -> None:
    """Bring the database at ``url`` to the version ``to``, the newest; safe to repeat and to run twice at once.

    Args:
        passwords: part -> the password its login ``sspp_<part>`` gets. One without a password keeps what it has: a
            new login has none, so nobody can log in with it. Given with the newest version only.

    Raises:
        Unavailable: PostgreSQL is away, read-only, or lets this user change nothing.
        Refused: a migration cannot be made of what is stored. In either case the same call again goes on where this
            one stopped: nothing of a migration was kept, but for indexes.
    """
    try:
        _upgrade(url, to, passwords or {})
    except DBAPIError as exc:
        cause = exc.orig
        raise (
            trouble.translated(cause) if isinstance(cause, DatabaseError) else trouble.unreachable(cause or exc)
        ) from exc


def _upgrade(url: str, to: str, passwords: Mapping[str, str]) -> None:
    engine = create_engine(
        "postgresql+pg8000://",
        creator=lambda: pg8000.dbapi.connect(**connection_arguments(url, statement_ms=MIGRATION_TIMEOUT_MS)),
        poolclass=NullPool,
    )
    with engine.connect() as connection:
        _lock(connection)
        config = Config()
        config.set_main_option("script_location", str(_FOLDER))
        config.attributes["connection"] = connection
        command.upgrade(config, to)
        connection.commit()
        if to == "head":
            _run(connection, (_FOLDER / "grants.sql").read_text("utf-8"))
            for part, password in passwords.items():
                # No parameters in such a statement. Neither can hold a quote: a name of ours, and base64.
                _run(connection, f"ALTER ROLE sspp_{part} LOGIN PASSWORD '{scram.verifier(password, os.urandom(16))}'")
            connection.commit()
    engine.dispose()


def _lock(connection: Connection) -> None:
    """Wait until no other migration runs, for as long as one may take.

    Between its questions it has no transaction: an index that is made ``CONCURRENTLY`` waits for all that there are.
    """
    while not connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": _LOCK}).scalar():
        connection.commit()
        connection.execute(text("SELECT pg_sleep(0.1)"))
        connection.commit()
    connection.commit()


def run_sql(name: str) -> None:
    """Run ``migrations/sql/<name>.sql`` inside the migration's transaction."""
    _run(op.get_bind(), _written(name))


def run_each(name: str) -> None:
    """Run each statement of ``migrations/sql/<name>.sql`` outside a transaction: ``CONCURRENTLY`` asks for that.

    What was done before is committed. A migration that is interrupted here begins again at its first statement.
    """
    with op.get_context().autocommit_block():
        _run(op.get_bind(), "COMMIT")  # SQLAlchemy looked for the isolation level, which began a transaction
        for statement in _written(name).split(";\n"):
            if statement.strip():
                _run(op.get_bind(), statement)


def _written(name: str) -> str:
    return (_FOLDER / "sql" / f"{name}.sql").read_text("utf-8")


def _run(connection: Connection, statements: str) -> None:
    # Without parameters the text goes to the server as it is: several statements, no placeholders.
    connection.exec_driver_sql(statements, execution_options={"no_parameters": True})
