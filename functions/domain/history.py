"""When an account's signals are added up by day and by contact, so that its past is read from few rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date
from typing import NamedTuple

from functions.domain.engine import Account, AccountKey
from functions.domain.signal import Signal

#: An account with fewer events is read signal by signal.
FEWEST_EVENTS = 100
#: Days that are not added up yet, times the events of the account, from which on they are: an account of 100 events is
#: looked at once in 30 days, one of 3,000 once a day. So about so many signals are read beside the sums, at most.
MOST_PASSED = 3_000


class Span(NamedTuple):
    """Days of an account that are added up now: all its signals since the first and before the last, in UTC."""

    tenant_id: str
    account_id: str
    since: date
    until: date


class Fold(NamedTuple):
    """Signals to add to the sums by day and by contact.

    Args:
        spans: stretches of whole days.
        late: signals of days that were added up before they came.
    """

    spans: list[Span]
    late: list[Signal]


def fold(
    accounts: Mapping[AccountKey, Account],
    signals: Iterable[Signal],
    fewest: int = FEWEST_EVENTS,
    passed: int = MOST_PASSED,
) -> Fold:
    """Decide what new signals add to the sums by day, and note it in their accounts.

    A span ends before the day of its account's newest event, because that day goes on.

    Args:
        accounts: those that have changed; signals of others have no points.
    """
    late = []
    for signal in signals:
        event = signal.event
        account = accounts.get((event.tenant_id, event.account_id))
        if account and event.kind.points and event.occurred_at.astimezone(UTC).date() < account.days_until:
            late.append(signal)
    spans = []
    for key, account in accounts.items():
        today = account.as_of.astimezone(UTC).date()
        events = sum([count for _, count, _ in account.sums.values()])
        if events >= fewest and (today - account.days_until).days * events >= passed:
            spans.append(Span(*key, account.days_until, today))
            account.days_until = today
    return Fold(spans, late)
