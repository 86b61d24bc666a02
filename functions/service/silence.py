"""Tells process of accounts that are due: silence may have changed insights of theirs."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime

from events import channel
from events.channel import Channel, translated
from events.shared_settings import StoreSettings
from functions.adapters.postgres import due_accounts
from functions.adapters.postgres.database import Database
from functions.domain.platform_events import ACCOUNTS_DUE, of_clock


def tell(settings: StoreSettings, now: datetime) -> bool:
    """Publish one event if any account is due. Process looks at all that are, some at a time.

    Returns:
        Whether any is.
    Raises:
        Unavailable: PostgreSQL or Redis could not be reached; the next call does it.
    """
    with closing(Database(settings.database_url)) as database:
        if not due_accounts.any_due(database, now):
            return False
    with closing(channel.connect(settings.redis_url)) as client, translated():
        Channel(client, "events", 0, "tick").publish(of_clock(ACCOUNTS_DUE, now))
    return True
