"""When an account's signals are added up by day and by contact, so that its past is read from few rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date
from typing import NamedTuple

from functions.domain import score
from functions.domain.signal import Signal
from functions.domain.state import Account, AccountKey, Moved

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


class Group(NamedTuple):
    """The sums of a contact, empty for nobody's, of one day and event type."""

    tenant_id: str
    account_id: str
    contact_id: str
    type: str
    day: date


class Fold(NamedTuple):
    """Signals to add to the sums by day and by contact.

    Args:
        spans: stretches of whole days.
        late: signals of days that were added up before they came.
        again: sums to make anew, because signals of them stand in another way; no late one is of these.
    """

    spans: list[Span]
    late: list[Signal]
    again: list[Group]


def fold(
    accounts: Mapping[AccountKey, Account],
    signals: Iterable[Signal],
    moved: Iterable[Moved] = (),
    fewest: int = FEWEST_EVENTS,
    passed: int = MOST_PASSED,
) -> Fold:
    """Decide what new signals add to the sums by day, and note it in their accounts.

    A span ends before the day of its account's newest event, because that day goes on.

    Args:
        accounts: those that have changed; signals of others have no points.
        moved: signals that stand in another way than before the batch.
    """
    again = {
        group
        for each in moved
        if (account := accounts.get(each.account))
        if (group := _group(each)).day < account.days_until and each.before is not None
    }
    late = []
    for signal in signals:
        event = signal.event
        account = accounts.get((event.tenant_id, event.account_id))
        if account and event.kind.points and (day := event.occurred_at.astimezone(UTC).date()) < account.days_until:
            group = Group(event.tenant_id, event.account_id, event.contact_id or "", event.kind.type, day)
            if group not in again:
                late.append(signal)
    spans = []
    for key, account in accounts.items():
        today = account.as_of.astimezone(UTC).date()
        events = sum([count for _, count, _ in account.sums.values()])
        if events >= fewest and (today - account.days_until).days * events >= passed:
            spans.append(Span(*key, account.days_until, today))
            account.days_until = today
    return Fold(spans, late, sorted(again))


def _group(moved: Moved) -> Group:
    day = score.moment(moved.fact.at).date()
    return Group(*moved.account, moved.contact_id or "", moved.fact.type, day)
