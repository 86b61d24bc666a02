"""When an account's signals are added up by day and by contact, so that its past is read from few rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, date
from typing import NamedTuple

from functions.domain.engine import Account, AccountKey
from functions.domain.signal import Signal

#: An account's signals are read one by one until there are so many. Then those of whole days are added up.
MOST_UNFOLDED = 100


class Span(NamedTuple):
    """Days of an account that are added up now: all its signals since the first and before the last, in UTC."""

    tenant_id: str
    account_id: str
    since: date
    until: date


class Fold(NamedTuple):
    """What is to be added to the sums by day and by contact.

    Args:
        spans: stretches of whole days.
        late: signals of days that were added up before they came.
    """

    spans: list[Span]
    late: list[Signal]


def fold(accounts: Mapping[AccountKey, Account], signals: Iterable[Signal], most: int = MOST_UNFOLDED) -> Fold:
    """Decide what new signals add to the sums by day, and note it in their accounts.

    A span ends before the day of its account's newest event, because that day goes on.

    Args:
        accounts: those that have changed; signals of others have no points.
        most: how many signals an account may have that are in no sum.
    """
    late, fresh = [], Counter[AccountKey]()
    for signal in signals:
        event = signal.event
        key = (event.tenant_id, event.account_id)
        if event.kind.points and key in accounts:
            if event.occurred_at.astimezone(UTC).date() < accounts[key].days_until:
                late.append(signal)
            else:
                fresh[key] += 1
    spans = []
    for key, count in fresh.items():
        account = accounts[key]
        account.unfolded += count
        today = account.as_of.astimezone(UTC).date()
        if account.unfolded > most and account.days_until < today:
            spans.append(Span(*key, account.days_until, today))
            account.days_until, account.unfolded = today, 0
    return Fold(spans, late)
