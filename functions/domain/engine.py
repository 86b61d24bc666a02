"""The signal engine: new events in, score changes, episodes and notices out. One pass, in the order they came."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from functions.domain import score, standing
from functions.domain.condition import Facts
from functions.domain.evaluation import STOPPED_CLOCKS, Clocks, Evaluations
from functions.domain.explain import Known
from functions.domain.neighbours import COUNTS
from functions.domain.notice import Notice, rule_notice_id
from functions.domain.rule import NEVER, Episode, Rule
from functions.domain.sales import SalesEvent
from functions.domain.score import Slot, Sum
from functions.domain.signal import Signal
from functions.domain.state import NEVER_MOVED, Account, Changes, Moved, State


class Question(NamedTuple):
    """What rules are evaluated with: an event, and its account including that event.

    Args:
        known: the account's scores, with the event or without.
        at: the moment that scores are computed for, never earlier than any event of the account.
        late: the event was received before ``at``, so other events of its account overtook it.
        added: what the event adds, and to which sum.
        earlier: the account's scores before the event, where it changed what others add.
    """

    signal: Signal
    known: Known
    at: datetime
    late: bool
    added: tuple[Slot, Sum]
    earlier: Known | None


def advance(state: State, signals: Iterable[Signal], clocks: Clocks = STOPPED_CLOCKS) -> Changes:
    """Apply the new signals of a batch.

    Scores do not depend on the order. Rules are evaluated after every event, as of the moment it was received, so
    which notices there are depends on the events and their order alone, not on how they were batched. An event that
    others overtook may begin fewer episodes than in its turn, never more: see :func:`_may_tell`.
    """
    changes = Changes(troubles=dict(state.unusable))
    asked = {tenant: _asked(rules) for tenant, rules in state.rules.items()}
    evaluations = {t: Evaluations(clocks, list(rules), changes.troubles) for t, rules in state.rules.items()}
    for signal in signals:
        event = signal.event
        key = (event.tenant_id, event.account_id)
        account = Account() if event.nobodys else state.account(key)
        at, late = event.received_at, False
        if at < account.as_of:
            at, late = account.as_of, True
        added, earlier = _judged(signal, account, state, changes)
        moved = _apply(event, account, added, changes)
        if event.tenant_id in asked:
            question = Question(signal, account.known, at, late, added, earlier)
            facts = Facts(_facts(asked[event.tenant_id], question))
            moved = _ask(question, facts, account, evaluations[event.tenant_id], changes.notices) or moved
        if moved and not event.nobodys:
            account.as_of = at
            changes.accounts[key] = account
    for account in changes.accounts.values():
        account.sums = score.kept(account.sums)
    # Of events without an account several may lead to one notice: it is the first one's.
    changes.notices = list({notice.id: notice for notice in reversed(changes.notices)}.values())[::-1]
    return changes


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


def _judged(signal: Signal, account: Account, state: State, changes: Changes) -> tuple[tuple[Slot, Sum], Known | None]:
    """Apply what an event changes of how others stand.

    Returns:
        What the event adds itself, and to which sum; and its account's scores before, where others have changed.
    """
    verdict = state.neighbours.judge(signal) if state.neighbours else COUNTS
    earlier = account.copied() if verdict.changes else None
    for change in verdict.changes:
        changes.judged(change, state.accounts)
    event = signal.event
    if verdict.fact and verdict.left_out:
        key = (event.tenant_id, event.account_id)
        changes.moved[event.tenant_id, event.id] = Moved(key, event.contact_id, verdict.fact, None)
    return _added(event, verdict.left_out), earlier


def _added(event: SalesEvent, left_out: int) -> tuple[Slot, Sum]:
    """Return what an event adds to the sums, and to which."""
    slot, added = score.contribution(event.kind, event.occurred_at, named=event.contact_id is not None)
    if left_out:
        slot = (slot[0], standing.adds(event.kind.side, left_out), *slot[2:])
    return slot, added


def _ask(question: Question, facts: Facts, account: Account, evaluations: Evaluations, notices: list[Notice]) -> bool:
    """Evaluate a tenant's rules; update the account's episodes and add the notices that are due.

    Returns:
        Whether any episode began or ended.
    """
    changed, episodes = False, account.episodes
    for rule in evaluations.rules:
        before = episodes.get(rule.id, NEVER)
        if question.late and not _may_tell(rule, before):
            continue
        after = _after(before, rule, question, facts, account, evaluations)
        if after is not before and after != before:
            episodes[rule.id] = after
            changed = True
            if after.number > before.number:
                notices.append(_notice(rule, after, question))
    return changed


def _may_tell(rule: Rule, before: Episode) -> bool:
    """Whether a rule can be evaluated for a late event without inventing an episode.

    A condition about scores alone is evaluated for the account's newest moment, as it would be for its newest event.
    One about the event alone is as true as in its turn, but when an earlier episode ended by then is unknown, so it
    may begin the first one only. One about both would put scores of one moment beside an event of another.
    """
    if rule.condition.reads_scores:
        return not rule.condition.reads_event
    return before == NEVER


def _asked(rules: Iterable[Rule]) -> frozenset[str]:
    """The facts that any of ``rules`` asks for; fading an account's sums for nobody would cost the most."""
    return frozenset(name for rule in rules for name in rule.condition.asks)


def _engagement(question: Question) -> float:
    return question.known.shown("buyer", question.at)


def _effort(question: Question) -> float:
    return question.known.shown("rep", question.at)


#: What a rule may ask -> the answer.
_FACTS: Mapping[str, Callable[[Question], object]] = {
    "account.id": lambda asked: asked.signal.event.account_id,
    "account.engagement": _engagement,
    "account.effort": _effort,
    "event.type": lambda asked: asked.signal.event.kind.type,
    "event.contact": lambda asked: asked.signal.event.contact_id or "",
    "event.user": lambda asked: asked.signal.event.user_id or "",
    "event.metadata": lambda asked: asked.signal.event.metadata,
    "event.data": lambda asked: asked.signal.event.data,
    "event.attributes": lambda asked: asked.signal.event.attributes,
    "signal.type": lambda asked: asked.signal.event.kind.signal,
    "signal.score": lambda asked: asked.signal.score,
}

#: The fact that shows an account's sums of a side; the others show in none.
_SHOWN_AS: Mapping[str, str] = {"buyer": "account.engagement", "rep": "account.effort"}


def _facts(names: Iterable[str], question: Question) -> dict[str, object]:
    return {name: _FACTS[name](question) for name in names}


def _after(
    before: Episode, rule: Rule, question: Question, facts: Facts, account: Account, evaluations: Evaluations
) -> Episode:
    """How a rule stands with an account after an event.

    An account cools down in silence, when no event comes. So an open episode is evaluated twice: with what this
    event adds, and without it, to see whether it had ended.
    """
    holds = evaluations.holds(rule, facts)
    if not holds and not before.open:
        return before
    if holds and before.open:
        event, (slot, added) = question.signal.event, question.added
        earlier_known = question.earlier
        if earlier_known is None:
            if not event.kind.points or _SHOWN_AS.get(slot[1]) not in rule.condition.asks:
                return before  # no fact it reads has changed
            earlier_known = account.without(event.contact_id, slot, added)
        earlier = question._replace(known=earlier_known)
        if evaluations.holds(rule, Facts(_facts(rule.condition.asks, earlier))):
            return before
    cooldown = timedelta(hours=rule.definition.cooldownHours)
    return before.after(False, question.at, cooldown).after(holds, question.at, cooldown)


def _notice(rule: Rule, episode: Episode, question: Question) -> Notice:
    event = question.signal.event
    if event.nobodys:
        whose, number = _nobodys(rule, event)
    else:
        whose, number = event.account_id, episode.number
    return Notice(
        id=rule_notice_id(rule.tenant_id, rule.id, rule.version, whose, number),
        tenant_id=rule.tenant_id,
        title=rule.definition.name,
        recipient=rule.definition.then[0].to,
        event_id=event.id,
        at=question.at,
        rule_id=rule.id,
        rule_version=rule.version,
        account_id=event.account_id,
        episode=number,
        engagement=_engagement(question),
        quiet=event.quiet,
    )


def _nobodys(rule: Rule, event: SalesEvent) -> tuple[str, int]:
    """Return what stands for account and episode in the identity of a notice about an event without an account.

    Such events have no state that batches would wait for. What they lead to is one notice for each span of the rule's
    cooldown, counted from 1970, whichever event comes first; with no cooldown, one for each event.
    """
    hours = rule.definition.cooldownHours
    if not hours:
        return f"{event.account_id}\n{event.id}", 1
    return event.account_id, (event.received_at - NEVER_MOVED) // timedelta(hours=hours)
