"""How an account's course is followed: the next event steps it, a late one runs it again from all of its events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from functions.domain import score
from functions.domain.course import Change, Course, Opened
from functions.domain.insight import insight_id
from functions.domain.replay import Account, AccountScores, Counted, is_newcomer, replay
from functions.domain.thresholds import Insights
from functions.domain.watch import Watch

#: An account with more signals that count is not run again: its late events are taken for its newest.
MOST_PAST = 1_000
#: In one batch an account is run again so often before an event that follows in order, and then at the end.
_MOST_RERUNS = 5
#: No rule is evaluated for an insight that is found so long after it began: in order, and by a re-run.
OLD_NEWS, OLD_IN_RERUN = timedelta(days=1), timedelta(minutes=10)


@dataclass(slots=True)
class Insight:
    """An episode of an insight as it is stored.

    Args:
        event_id: what it began with; None where it began in silence.
        closed_at: None while that is not known.
        undone: late events say that it never was.
        found_with: the event that it was first found with; None where the clock found it.
    """

    tenant_id: str
    account_id: str
    id: str
    kind: str
    contact_id: str | None
    event_id: str | None
    opened_at: datetime
    closed_at: datetime | None
    evidence: Mapping[str, Any]
    reasons: Sequence[str]
    undone: bool = False
    found_with: str | None = field(default=None, compare=False)


class News(NamedTuple):
    """An insight that was not known.

    Args:
        old: it is found long after it began, so no rule is evaluated for it.
    """

    insight: Insight
    old: bool


@dataclass(slots=True)
class Past:
    """All that counted of an account before a batch, and the insights that were found; both in any order."""

    events: list[Counted] = field(default_factory=list)
    insights: dict[str, Insight] = field(default_factory=dict)


@dataclass(slots=True)
class Follower:
    """One account in a batch.

    Args:
        read: reads its past before the batch; None where that is too long to be run again.
        found: the insights that are new or have changed.
        closed: the kinds of insights of before that end, and when.
        reruns: how often they were found again from all events.
    """

    key: tuple[str, str]
    account: Account
    limits: Insights
    read: Callable[[], Past | None] | None = None
    found: dict[str, Insight] = field(default_factory=dict)
    closed: dict[str, datetime] = field(default_factory=dict)
    reruns: int = 0
    _past: Past | None = None
    _seen: list[Counted] = field(default_factory=list)
    _stale: bool = False
    _newcomer: bool = False

    def before(self, event: Counted, now: datetime) -> list[News]:
        """Return the news of the silence before an event that counts, and is not added to the account yet.

        Args:
            now: when the event was received.
        """
        news: list[News] = []
        if self.account.watch is None and self.account.known.sums and self._loaded():
            news += self._run_again(now)  # an earlier version knew it
        watch = self.account.watch = self.account.watch or Watch()
        if watch.late(event.at, event.id) and self._loaded():
            self._stale = True
        elif self._stale and self.reruns < _MOST_RERUNS:
            news += self._run_again(now)
        (self._past.events if self._past else self._seen).append(event)
        if not self._stale:
            news += self.advance(event.at, now)
            self._newcomer = is_newcomer(self.account, event)
        return news

    def stands(self, event_id: str, event: Counted | None) -> None:
        """Note that a recorded event stands in another way.

        Args:
            event: None where it does not count from now on.
        """
        if self._loaded() and self._past:
            said = {each.id: each.role for each in self._past.events}.get(event_id)
            others = [each for each in self._past.events if each.id != event_id]
            self._past.events = [*others, event._replace(role=said)] if event else others
            self._stale = True

    def again(self) -> None:
        """Have the insights found again from all events, which are others than they were."""
        self._stale = self._loaded()

    def _loaded(self) -> bool:
        """Return whether the past is known. It is read when it is first asked for."""
        if self.read:
            self._past, self.read = self.read(), None
            if self._past:
                self._past.events += self._seen
        return self._past is not None

    def after(self, event: Counted, now: datetime) -> list[News]:
        """Return the news of an event that was added to the account."""
        watch = self.account.watch
        if self._stale or watch is None:
            return []
        if watch.late(event.at, event.id):  # too much has happened to run it again
            event = event._replace(at=max(watch.at, watch.fired))
        course = Course(watch, AccountScores(self.account), self.limits)
        changes = course.happened(event.happening(newcomer=self._newcomer))
        self.account.next_due = course.next_due
        return self._note(changes, now - OLD_NEWS)

    def advance(self, until: int, now: datetime) -> list[News]:
        """Return the news of silence up to a moment."""
        due = self.account.next_due
        if due is None or due > until or self.account.watch is None:
            return []
        course = Course(self.account.watch, AccountScores(self.account), self.limits)
        changes = course.advance(until)
        self.account.next_due = course.next_due
        return self._note(changes, now - OLD_NEWS)

    def end(self, now: datetime) -> list[News]:
        """Return the news of the batch's late events."""
        return self._run_again(now) if self._stale else []

    def _note(self, changes: Iterable[Change], since: datetime) -> list[News]:
        """Note what begins and ends.

        Args:
            since: what began earlier is old news.
        """
        news = []
        for change in changes:
            if isinstance(change, Opened):
                insight = self._insight(change)
                self.found[insight.id] = insight
                news.append(News(insight, insight.opened_at < since))
            else:
                self._close(change.kind.name, score.moment(change.at))
        return news

    def _close(self, kind: str, at: datetime) -> None:
        for insight in self.found.values():
            if insight.kind == kind and insight.closed_at is None and not insight.undone:
                insight.closed_at = at
                return
        self.closed[kind] = at

    def _insight(self, opened: Opened) -> Insight:
        tenant, account = self.key
        event_id = opened.event.id if opened.event else None
        return Insight(
            tenant,
            account,
            insight_id(tenant, account, opened.kind.name, opened.at, event_id),
            opened.kind.name,
            opened.contact,
            event_id,
            score.moment(opened.at),
            None if opened.until is None else score.moment(opened.until),
            opened.evidence,
            opened.reasons,
        )

    def _run_again(self, now: datetime) -> list[News]:
        """Find the account's insights from all of its events, and compare them with those that were found."""
        if self._past is None:
            return []
        before = {**self._past.insights, **self.found}
        watch, self._stale, self.reruns = self.account.watch, False, self.reruns + 1
        self.found, self.closed = {}, {}
        changes, self.account.watch, self.account.next_due = replay(
            self.account.blank(), self._past.events, self.limits, watch.fired if watch else 0
        )
        news = [each for each in self._note(changes, now - OLD_IN_RERUN) if each.insight.id not in before]
        for id_, each in before.items():
            if id_ in self.found:
                self.found[id_].found_with = each.found_with
            else:
                self.found[id_] = replace(each, undone=True)
        self.found = {id_: each for id_, each in self.found.items() if self._past.insights.get(id_) != each}
        return news
