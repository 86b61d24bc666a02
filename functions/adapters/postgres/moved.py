"""Which accounts count for others, as far as this process has met them: a hint, checked under each batch's locks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from functions.adapters.postgres.database import Row
from functions.domain.judgement import GroupKey, Recorded
from functions.domain.signal import Signal
from functions.domain.state import AccountKey
from functions.ports import AccountsMoved

#: Accounts that are remembered. With more of them all are forgotten, and met again.
MOST = 100_000


class Moved:
    """Accounts that were found to count for others."""

    def __init__(self) -> None:
        self._into: dict[AccountKey, str] = {}

    def resolved(self, signals: Sequence[Signal]) -> Sequence[Signal]:
        """Return signals with the accounts that count for those that they name, as far as is known."""
        if not self._into:
            return signals
        return [self._resolved(signal) for signal in signals]

    def _resolved(self, signal: Signal) -> Signal:
        event = signal.event
        into = self._into.get((event.tenant_id, event.account_id))
        if into is None:
            return signal
        return signal._replace(event=event._replace(account_id=into, sent_account=event.account_id))

    def check(self, rows: Iterable[Row], signals: Iterable[Signal]) -> None:
        """Remember what locked accounts count for.

        Raises:
            AccountsMoved: a signal was resolved otherwise.
        """
        into: Mapping[AccountKey, str | None] = {
            (row["tenant_id"], row["account_id"]): row["merged_into"] for row in rows
        }
        if not self._into and not any(into.values()):
            return
        if len(self._into) > MOST:
            self._into.clear()
        for key, above in into.items():
            if above is None:
                self._into.pop(key, None)
            else:
                self._into[key] = above
        for event in (signal.event for signal in signals):
            sent = event.sent_account or event.account_id
            if (into.get((event.tenant_id, sent)) or sent) != event.account_id:
                raise AccountsMoved


def groups_of(recorded: Iterable[Recorded]) -> Iterator[GroupKey]:
    """Yield the groups of recorded signals."""
    return (each.group for each in recorded)


def accounts_of(groups: Iterable[GroupKey], signals: Iterable[Signal]) -> list[AccountKey]:
    """Return the accounts of groups, and those that signals name and others count for, each once, in a fixed order.

    Nobody waits for the account of a group that has none.
    """
    found = {(tenant, account) for tenant, account, _ in groups if account}
    events = [signal.event for signal in signals]
    return sorted(found | {(event.tenant_id, event.sent_account) for event in events if event.sent_account})
