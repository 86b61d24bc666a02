"""The signal engine: new events in, score changes, episodes and notices out. One pass, in the order they came."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import partial

from functions.domain import asking, score, standing
from functions.domain.asking import Question
from functions.domain.catalog import SIDES
from functions.domain.evaluation import STOPPED_CLOCKS, Clocks, Evaluations
from functions.domain.explain import Known
from functions.domain.following import Follower, News
from functions.domain.insight_signal import signal_of
from functions.domain.judgement import COUNTS
from functions.domain.replay import Counted
from functions.domain.sales import SalesEvent
from functions.domain.score import Slot, Sum
from functions.domain.signal import Signal
from functions.domain.state import Account, AccountKey, Changes, Moved, State


def advance(state: State, signals: Iterable[Signal], clocks: Clocks = STOPPED_CLOCKS) -> Changes:
    """Apply the new signals of a batch.

    Scores do not depend on the order. Rules are evaluated after every event, as of the moment it was received, so
    which notices there are depends on the events and their order alone, not on how they were batched. An event that
    others overtook may begin fewer episodes than in its turn, never more: see :mod:`functions.domain.asking`.
    """
    batch = _Pass(state, clocks)
    for signal in signals:
        batch.take(signal)
    return batch.end()


def pass_time(state: State, until: datetime, clocks: Clocks = STOPPED_CLOCKS) -> Changes:
    """Find what silence brings to accounts up to a moment."""
    batch = _Pass(state, clocks)
    for key in state.accounts:
        batch.pass_time(key, until)
    return batch.end()


class _Pass:
    """One pass over the events of a batch, or over accounts that are due."""

    def __init__(self, state: State, clocks: Clocks) -> None:
        self._state = state
        self._changes = Changes(troubles=dict(state.unusable))
        self._asked = {tenant: asking.asked(rules) for tenant, rules in state.rules.items()}
        self._evaluations = {
            tenant: Evaluations(clocks, list(rules), self._changes.troubles) for tenant, rules in state.rules.items()
        }
        #: Of each account that is followed, the latest event of the batch.
        self._latest: dict[AccountKey, SalesEvent] = {}

    def take(self, signal: Signal) -> None:
        """Apply the next event."""
        event, now = signal.event, signal.event.received_at
        key = (event.tenant_id, event.account_id)
        account = Account() if event.nobodys else self._state.account(key)
        added, earlier = self._judged(signal, account)
        counted = Counted.of(signal) if added[0][1] in SIDES else None
        follower = self._follower(key) if counted else None
        if counted and follower:
            self._latest[key] = event
            self._news(follower.before(counted, now), now, event)
        moved = _apply(event, account, added, self._changes)
        self._ask(Question(signal, account.known, now, False, added, earlier), account, changed=moved)
        if counted and follower:
            self._news(follower.after(counted, now), now, event)

    def pass_time(self, key: AccountKey, until: datetime) -> None:
        """Let an account be silent up to a moment."""
        follower = self._follower(key)
        self._news(follower.advance(score.since_landmark(until), until), until)
        self._changes.accounts[key] = self._state.account(key)

    def end(self) -> Changes:
        """Return what came of it."""
        changes = self._changes
        for key, event in self._latest.items():
            self._news(changes.followers[key].end(event.received_at), event.received_at, event)
            changes.accounts[key] = self._state.account(key)
        for account in changes.accounts.values():
            account.sums = score.kept(account.sums)
        # Of events without an account several may lead to one notice: it is the first one's.
        changes.notices = list({notice.id: notice for notice in reversed(changes.notices)}.values())[::-1]
        return changes

    def _judged(self, signal: Signal, account: Account) -> tuple[tuple[Slot, Sum], Known | None]:
        """Apply what an event changes of how others stand.

        Returns:
            What the event adds itself, and to which sum; and its account's scores before, where others have changed.
        """
        state, changes, event = self._state, self._changes, signal.event
        verdict = state.neighbours.judge(signal) if state.neighbours else COUNTS
        earlier = account.copied() if verdict.changes else None
        for change in verdict.changes:
            changes.judged(change, state.accounts)
            key = change.group[:2]
            if key in state.accounts:
                self._follower(key).stands(change.fact.id, Counted.of_fact(change.fact, change.group[2]))
                self._latest[key] = event
        if verdict.fact and verdict.left_out:
            key = (event.tenant_id, event.account_id)
            changes.moved[event.tenant_id, event.id] = Moved(key, event.contact_id, verdict.fact, None)
        return _added(event, verdict.left_out), earlier

    def _follower(self, key: AccountKey) -> Follower:
        follower = self._changes.followers.get(key)
        if follower is None:
            account, past_of = self._state.account(key), self._state.past_of
            follower = Follower(key, account, account.scoring.model.insights, past_of and partial(past_of, key))
            self._changes.followers[key] = follower
        return follower

    def _news(self, news: Iterable[News], now: datetime, event: SalesEvent | None = None) -> None:
        """Make insights signals, and evaluate the rules that speak of insights for those that are no old news.

        Args:
            event: what they were found with; None where the clock found them.
        """
        for insight, old in news:
            signal = signal_of(insight, now, quiet=event is not None and event.quiet)
            self._changes.insights.append(signal)
            if event:
                insight.found_with = self._changes.causes[insight.id] = event.id
            if not old:
                account = self._state.account((insight.tenant_id, insight.account_id))
                question = Question(signal, account.known, now, False, _added(signal.event, 0), None)
                self._ask(question, account, changed=False)

    def _ask(self, question: Question, account: Account, *, changed: bool) -> None:
        """Evaluate a tenant's rules after an event or an insight.

        Args:
            changed: whether it has changed the account.
        """
        event = question.signal.event
        if question.at < account.as_of:
            question = question._replace(at=account.as_of, late=True)
        if (asked := self._asked.get(event.tenant_id)) is not None:
            evaluations, notices = self._evaluations[event.tenant_id], self._changes.notices
            changed = asking.ask(question, asked, account, evaluations, notices) or changed
        if changed and not event.nobodys:
            account.as_of = question.at
            self._changes.accounts[event.tenant_id, event.account_id] = account


def _apply(event: SalesEvent, account: Account, added: tuple[Slot, Sum], changes: Changes) -> bool:
    """Add what an event adds to its account and its contact, and note what it says of them.

    Returns:
        Whether it does either.
    """
    says = bool(event.account_says or event.contact_says)
    if says:
        changes.note(event)
    if not event.kind.points:
        return says
    account.add(event.contact_id, *added)
    changes.touch((event.tenant_id, event.account_id), event.contact_id)
    return True


def _added(event: SalesEvent, left_out: int) -> tuple[Slot, Sum]:
    """Return what an event adds to the sums, and to which."""
    slot, added = score.contribution(event.kind, event.occurred_at, named=event.contact_id is not None)
    if left_out:
        slot = (slot[0], standing.adds(event.kind.side, left_out), *slot[2:])
    return slot, added
