"""A store of signals in memory. The contract tests hold it to what the one on PostgreSQL does."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from uuid import UUID

from functions.domain import score, standing
from functions.domain.evidence import marks
from functions.domain.following import Insight, Past
from functions.domain.insight import SIGNAL
from functions.domain.judgement import GroupKey, Stretch
from functions.domain.judgement import Recorded as OnRecord
from functions.domain.model import UNCHANGED, Versioned
from functions.domain.neighbours import Neighbours
from functions.domain.notice import Notice
from functions.domain.plan import OwnEventType
from functions.domain.policy import Fact
from functions.domain.replay import Counted
from functions.domain.rule import Rule
from functions.domain.signal import Signal
from functions.domain.state import Account, AccountKey, Changes, Lost, State
from functions.ports import Inserted, Recorded

Identity = tuple[str, str]


@dataclass
class Books:
    """What is committed."""

    signals: dict[Identity, Signal] = field(default_factory=dict)
    accounts: dict[AccountKey, Account] = field(default_factory=dict)
    notices: dict[UUID, Notice] = field(default_factory=dict)
    left_out: dict[Identity, int] = field(default_factory=dict)
    retracted: set[Identity] = field(default_factory=set)
    insights: dict[str, Insight] = field(default_factory=dict)
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

    @property
    def insights(self) -> Sequence[Insight]:
        """The insights that are on record."""
        return list(self._books.insights.values())

    def own_event_types(self, tenants: Collection[str]) -> Mapping[str, Mapping[str, OwnEventType]]:
        """See SignalStore. No tenant has any."""
        return {tenant: {} for tenant in tenants}

    def forgotten_notices(self, since: datetime, until: datetime) -> Sequence[tuple[str, UUID]]:
        """See SignalStore."""
        found = [each for each in self._books.notices.values() if since <= each.at < until and not each.quiet]
        return [(each.tenant_id, each.id) for each in found]

    def ping(self) -> None:
        """See SignalStore."""

    def stands(self) -> dict[str, tuple[str, int]]:
        """The side of each signal of an event, and why it is left out."""
        books = self._books
        events = [identity for identity, each in books.signals.items() if each.event.kind.signal != SIGNAL]
        left_out = {identity: books.left_out.get(identity, 0) for identity in events}
        return {
            identity[1]: (standing.adds(signal.event.kind.side, left_out[identity]), left_out[identity])
            for identity in events
            if (signal := books.signals[identity])
        }


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
        causes = {each.id: each.found_with or each.id for each in self._books.insights.values()}
        for insight in sorted(self._books.insights.values(), key=lambda each: each.id):
            if insight.found_with and (identity := (insight.tenant_id, insight.found_with)) in recorded.contents:
                recorded.insights.setdefault(identity, []).append(insight.id)
        for notice in self._books.notices.values():
            identity = (notice.tenant_id, causes.get(notice.event_id, notice.event_id))
            if identity in recorded.contents and not notice.quiet:
                recorded.notices[identity].append(notice.id)
        return Inserted(new, recorded)

    def lock(self, signals: Sequence[Signal]) -> State:
        """See Batch."""
        named = {(each.event.tenant_id, each.event.retracts.event_id) for each in signals if each.event.retracts}
        events = [signal.event for signal in signals if not signal.event.nobodys]
        events += [self._books.signals[each].event for each in named & self._books.signals.keys()]
        keys = {(event.tenant_id, event.account_id) for event in events}
        accounts = {key: deepcopy(self._books.accounts.get(key, Account())) for key in keys}
        for (tenant, _), account in accounts.items():
            account.scoring = self._models.get(tenant, UNCHANGED)
        tenants = {signal.event.tenant_id for signal in signals}
        rules = {tenant: rules for tenant, rules in self._rules.items() if tenant in tenants}
        past_of = partial(self._past_of, {signal.event.id for signal in signals})
        return State(accounts, rules, {}, self._models, self._neighbours(signals, named), past_of)

    def lock_due(self, until: datetime, most: int) -> State:
        """See Batch."""
        by = score.since_landmark(until)
        due = [key for key, each in self._books.accounts.items() if each.next_due is not None and each.next_due <= by]
        accounts = {key: deepcopy(self._books.accounts[key]) for key in due[:most]}
        for (tenant, _), account in accounts.items():
            account.scoring = self._models.get(tenant, UNCHANGED)
        tenants = {tenant for tenant, _ in accounts}
        rules = {tenant: rules for tenant, rules in self._rules.items() if tenant in tenants}
        return State(accounts, rules, models=self._models)

    def _past_of(self, without: Collection[str], key: AccountKey) -> Past:
        """Return what an account had before some signals."""
        events = []
        for identity, signal in self._books.signals.items():
            group, fact = self._recorded(identity)
            counted = Counted.of_fact(fact, group[2]) if group[:2] == key and identity[1] not in without else None
            if counted and (whole := Counted.of(signal)):
                events.append(counted._replace(role=whole.role))
        found = {id_: each for id_, each in self._books.insights.items() if _of(each) == key}
        return Past(events, deepcopy(found))

    def _neighbours(self, signals: Sequence[Signal], named: set[Identity]) -> Neighbours:
        new = {(each.event.tenant_id, each.event.id) for each in signals}
        on_record = [self._recorded(each) for each in self._books.signals.keys() - new]
        targets = [each for each in on_record if (each.group[0], each.fact.id) in named]
        found = Neighbours(self._models, signals, new & self._books.retracted, targets)

        def newest(group: GroupKey) -> tuple[dict[str, int], int]:
            of = sorted((each.fact for each in on_record if each.group == group), key=lambda fact: fact.at)
            return {fact.type: fact.at for fact in of}, of[-1].at if of else -(10**18)

        for stretches in found.questions(newest):
            for stretch in stretches:
                fitting = sorted((each for each in on_record if fits(each, stretch)), key=lambda each: each.fact.place)
                found.learn(fitting[: stretch.most])
        return found

    def _recorded(self, identity: Identity) -> OnRecord:
        event, kind = (signal := self._books.signals[identity]).event, signal.event.kind
        at = score.since_landmark(event.occurred_at)
        made = marks(kind.type, event.metadata)
        left_out = self._books.left_out.get(identity, 0)
        fact = Fact(event.id, kind.type, at, kind.side, kind.points, kind.half_life_days, made, left_out)
        return OnRecord((event.tenant_id, event.account_id, event.contact_id), fact)

    def write(self, changes: Changes, signals: Sequence[Signal]) -> Collection[UUID]:
        """See Batch."""
        self._books.left_out |= {identity: moved.fact.left_out for identity, moved in changes.moved.items()}
        for signal in signals:
            if said := signal.event.retracts:
                self._books.retracted.add((signal.event.tenant_id, said.event_id))
        for lost in changes.lost:
            self._look_up(changes.accounts[lost.account], lost)
        self._books.accounts |= changes.accounts
        self._put_insights(changes)
        new = {notice.id: notice for notice in changes.notices if notice.id not in self._books.notices}
        self._books.notices |= new
        for signal in signals:
            self._books.counts[signal.event.tenant_id, signal.event.received_at.date().replace(day=1)] += 1
        return new.keys()

    def _put_insights(self, changes: Changes) -> None:
        for signal in changes.insights:
            self._books.signals.setdefault((signal.event.tenant_id, signal.event.id), signal)
        for key, follower in changes.followers.items():
            for insight in self._books.insights.values():
                if _of(insight) == key and _open(insight) and insight.kind in follower.closed:
                    insight.closed_at = follower.closed[insight.kind]
            self._books.insights |= follower.found

    def _look_up(self, account: Account, lost: Lost) -> None:
        """Put the moment of the latest event into a sum that may have lost its latest one."""
        sums = account.people.known[lost.contact_id].sums if lost.contact_id else account.sums
        if lost.slot not in sums:
            return
        latest = None
        for each in map(self._recorded, self._books.signals):
            fact, contact = each.fact, each.group[2]
            side = standing.adds(fact.side, fact.left_out)
            slot, (_, _, at) = score.part(
                fact.type, side, fact.points, fact.half_life_days, fact.at, named=contact is not None
            )
            if each.group[:2] == lost.account and slot == lost.slot and lost.contact_id in (None, contact):
                latest = at if latest is None else max(latest, at)
        assert latest is not None
        sums[lost.slot] = (*sums[lost.slot][:2], latest)


def fits(each: OnRecord, asked: Stretch) -> bool:
    """Whether an event on record is one that a question is about."""
    fact = each.fact
    hidden = standing.UNVERIFIED if asked.verified else standing.BY_ITSELF
    return (
        each.group == asked[:3]
        and fact.type == asked.type
        and (asked.since is None or fact.at >= asked.since)
        and (asked.until is None or fact.at < asked.until)
        and (asked.campaign is None or fact.marks.campaign == asked.campaign)
        and not fact.left_out & (hidden | standing.RETRACTED)
    )


def _of(insight: Insight) -> AccountKey:
    return insight.tenant_id, insight.account_id


def _open(insight: Insight) -> bool:
    return insight.closed_at is None and not insight.undone
