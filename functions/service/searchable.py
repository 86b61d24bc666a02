"""Makes signals searchable that were recorded without their words: a bounded part each time, until all have them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

from events.settings import TickSettings
from functions.adapters.postgres.database import Database
from functions.adapters.postgres.unsearched import UnsearchedSignals

#: Seconds after which the rest is left to the next look.
LONGEST_S = 20.0


def fill(settings: TickSettings, now_s: Callable[[], float]) -> int:
    """Write the words of signals that have none, the latest first, if PostgreSQL is what searches.

    Args:
        now_s: a clock that only goes forward, in seconds.

    Returns:
        How many got theirs.
    Raises:
        Unavailable: PostgreSQL could not be reached; the next call goes on.
    """
    if settings.copied:
        return 0
    filled, until_s = 0, now_s() + LONGEST_S
    with closing(Database(settings.database_url)) as database:
        unsearched = UnsearchedSignals(database)
        while (some := unsearched.fill()) and now_s() < until_s:
            filled += some
    return filled + some
