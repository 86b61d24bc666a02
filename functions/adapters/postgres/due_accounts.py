"""Accounts that are due, as the clock sees them: whether there are any."""

from __future__ import annotations

from datetime import datetime

from functions.adapters.postgres.database import Database


def any_due(database: Database, until: datetime) -> bool:
    """Return whether silence may have changed an insight of any account by a moment.

    Raises:
        Unavailable: PostgreSQL could not be reached.
    """
    with database.transaction() as tx:
        [row] = tx.rows("any_due", until=until)
    return bool(row["due"])
