"""What the operations of the API work with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from events.deadletter import DeadLetters
from functions.adapters.postgres.models import PostgresModels
from functions.adapters.postgres.reader import Reader
from functions.api.standing import Standings
from functions.ports import SearchIndex


@dataclass(frozen=True, slots=True, kw_only=True)
class Backends:
    """The stores behind the API's operations.

    Args:
        reader: signals, accounts and notices.
        search: full text.
        models: scoring models.
        standings: how each tenant's accounts are spread over the scores.
        accepted_at: returns when an event was accepted that may not be processed yet, by tenant and id.
        letters: the dead letters.
        nonce: draws a text that has never been drawn.
        max_bytes: the largest body, and the largest event that may be made by editing.
        now: the clock, with zone.
    """

    reader: Reader
    search: SearchIndex
    models: PostgresModels
    standings: Standings
    accepted_at: Callable[[str, UUID], datetime | None]
    letters: DeadLetters
    nonce: Callable[[], str]
    max_bytes: int
    now: Callable[[], datetime]
