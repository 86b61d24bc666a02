"""Rules after an event or an insight: their episodes with an account begin and end, and notices are due."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from functions.domain.condition import Facts
from functions.domain.evaluation import Evaluations
from functions.domain.explain import Known
from functions.domain.insight import SIGNAL
from functions.domain.notice import Notice, rule_notice_id
from functions.domain.rule import NEVER, Episode, Rule
from functions.domain.sales import SalesEvent
from functions.domain.score import Slot, Sum
from functions.domain.signal import Signal
from functions.domain.state import NEVER_MOVED, Account


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


def ask(
    question: Question, names: Iterable[str], account: Account, evaluations: Evaluations, notices: list[Notice]
) -> bool:
    """Evaluate a tenant's rules; update the account's episodes and add the notices that are due.

    Args:
        names: the facts that any of the rules asks for.

    Returns:
        Whether any episode began or ended.
    """
    changed, episodes = False, account.episodes
    facts = Facts(_facts(names, question))
    of_insight = question.signal.event.kind.signal == SIGNAL
    for rule in evaluations.rules:
        if of_insight and not rule.of_insights:
            continue
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


def asked(rules: Iterable[Rule]) -> frozenset[str]:
    """Return the facts that any of ``rules`` asks for; fading an account's sums for nobody would cost the most."""
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
