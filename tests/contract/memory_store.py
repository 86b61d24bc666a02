"""A store of signals in memory. The contract tests hold it to what the one on PostgreSQL does."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import date, datetime
from uuid import UUID

from functions.domain.engine import Account, AccountKey, Changes, State
from functions.domain.model import UNCHANGED, Versioned
from functions.domain.notice import Notice
from functions.domain.plan import OwnEventType
from functions.domain.rule import Rule
from functions.domain.signal import Signal
from functions.ports import Inserted, Recorded

Identity = tuple[str, str]


@dataclass
class Books:
    """What is committed."""

    signals: dict[Identity, Signal] = field(default_factory=dict)
    accounts: dict[AccountKey, Account] = field(default_factory=dict)
    notices: dict[UUID, Notice] = field(default_factory=dict)
    counts: Counter[tuple[str, date]] = field(default_factory=Counter)


class MemorySignalStore:
    """See :class:`functions.ports.SignalStore`. One batch at a time, and nobody sends its notices."""

    def __init__(self, rules: Mapping[str, Sequence[Rule]], models: Mapping[str, Versioned] | None = None) -> None:
        self._rules = rules
        self._models = models or {}
        self._books = Books()

    @contextmanager
    def batch(self) -> Iterator[MemoryBatch]:
        """See SignalStore."""
        books = deepcopy(self._books)
        yield MemoryBatch(books, self._rules, self._models)
        self._books = books

    def own_event_types(self, tenants: Collection[str]) -> Mapping[str, Mapping[str, OwnEventType]]:
        """See SignalStore. No tenant has any."""
        return {tenant: {} for tenant in tenants}

    def forgotten_notices(self, since: datetime, until: datetime) -> Sequence[tuple[str, UUID]]:
        """See SignalStore."""
        found = [each for each in self._books.notices.values() if since <= each.at < until and not each.quiet]
        return [(each.tenant_id, each.id) for each in found]

    def ping(self) -> None:
        """See SignalStore."""


class MemoryBatch:
    """See :class:`functions.ports.Batch`."""

    def __init__(self, books: Books, rules: Mapping[str, Sequence[Rule]], models: Mapping[str, Versioned]) -> None:
        self._books = books
        self._rules = rules
        self._models = models

    def insert(self, signals: Sequence[Signal]) -> Inserted:
        """See Batch."""
        new = []
        recorded = Recorded({}, defaultdict(list))
        for given in signals:
            signal = given.worth(self._models.get(given.event.tenant_id, UNCHANGED).model)
            identity = (signal.event.tenant_id, signal.event.id)
            if identity not in self._books.signals:
                self._books.signals[identity] = signal
                new.append(signal)
            recorded.contents[identity] = self._books.signals[identity].event.content
        for notice in self._books.notices.values():
            if (identity := (notice.tenant_id, notice.event_id)) in recorded.contents and not notice.quiet:
                recorded.notices[identity].append(notice.id)
        return Inserted(new, recorded)

    def lock(self, signals: Sequence[Signal]) -> State:
        """See Batch."""
        events = [signal.event for signal in signals if not signal.event.nobodys]
        keys = {(event.tenant_id, event.account_id) for event in events}
        accounts = {key: deepcopy(self._books.accounts.get(key, Account())) for key in keys}
        for (tenant, _), account in accounts.items():
            account.scoring = self._models.get(tenant, UNCHANGED)
        tenants = {signal.event.tenant_id for signal in signals}
        rules = {tenant: rules for tenant, rules in self._rules.items() if tenant in tenants}
        return State(accounts, rules, models=self._models)

    def write(self, changes: Changes, signals: Sequence[Signal]) -> Collection[UUID]:
        """See Batch."""
        self._books.accounts |= changes.accounts
        new = {notice.id: notice for notice in changes.notices if notice.id not in self._books.notices}
        self._books.notices |= new
        for signal in signals:
            self._books.counts[signal.event.tenant_id, signal.event.received_at.date().replace(day=1)] += 1
        return new.keys()
