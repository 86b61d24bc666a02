"""The signal engine: new events in, score changes, episodes and notices out. One pass, in the order they came."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from functions.domain import attributes, score
from functions.domain.attributes import NONE, Attributes
from functions.domain.catalog import Side
from functions.domain.condition import Facts
from functions.domain.evaluation import STOPPED_CLOCKS, Clocks, Evaluations, RuleKey, Trouble
from functions.domain.explain import Known
from functions.domain.model import UNCHANGED, Versioned
from functions.domain.notice import Notice, rule_notice_id
from functions.domain.rollup import People
from functions.domain.rule import NEVER, Episode, Rule
from functions.domain.sales import SalesEvent
from functions.domain.score import Slot, Sum
from functions.domain.signal import Signal

#: (tenant, account)
AccountKey = tuple[str, str]

#: The moment of an account before its first event.
NEVER_MOVED = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Account:
    """What is known of an account: its score sums, and its episode with each rule that ever had one, by id.

    Args:
        people: its contacts; those that the batch's events name are among the known ones.
        scoring: its tenant's model.
        as_of: when the newest event that changed the account was received. For any moment before it the sums tell no
            score: they already hold what happened later.
        days_until: what happened before this day is added up by day and by contact: :mod:`functions.domain.history`.
    """

    sums: dict[Slot, Sum] = field(default_factory=dict)
    episodes: dict[str, Episode] = field(default_factory=dict)
    as_of: datetime = NEVER_MOVED
    days_until: date = date.min
    people: People = field(default_factory=People)
    scoring: Versioned = UNCHANGED

    @property
    def known(self) -> Known:
        """Its scores."""
        return Known(self.sums, self.people, self.scoring)

    def add(self, contact_id: str | None, slot: Slot, added: Sum) -> None:
        """Add what an event adds, to the account's sums and to those of the contact that it names."""
        score.add(self.sums, slot, added)
        if contact_id:
            contact = self.people.known.get(contact_id)
            sums = dict(contact.sums) if contact else {}
            score.add(sums, slot, added)
            self.people.put(contact_id, sums)

    def without(self, contact_id: str | None, slot: Slot, added: Sum) -> Known:
        """Return its scores as they would be without an event that added so much."""
        people = self.people.without(contact_id, slot, added) if contact_id else self.people
        return Known(score.without(self.sums, slot, added), people, self.scoring)


@dataclass(slots=True)
class State:
    """The state before a batch: its accounts, without the new ones, and the rules and scoring models of its tenants.

    Args:
        unusable: rules that were saved before their like was refused.
    """

    accounts: dict[AccountKey, Account]
    rules: Mapping[str, Sequence[Rule]]
    unusable: Mapping[RuleKey, Trouble] = field(default_factory=dict)
    models: Mapping[str, Versioned] = field(default_factory=dict)

    def account(self, key: AccountKey) -> Account:
        """Return an account, a new one where there was none."""
        found = self.accounts.get(key)
        if found is None:
            found = self.accounts[key] = Account(scoring=self.models.get(key[0], UNCHANGED))
        return found


@dataclass(slots=True)
class Changes:
    """What a batch led to: accounts that have changed, notices that are due, and rules that had trouble.

    Args:
        contacts: those that have changed, of each account.
        attributes: what the batch's events say of accounts and contacts. The empty contact is the account itself.
    """

    accounts: dict[AccountKey, Account] = field(default_factory=dict)
    contacts: dict[AccountKey, set[str]] = field(default_factory=dict)
    attributes: dict[tuple[str, str, str], Attributes] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)
    troubles: dict[RuleKey, Trouble] = field(default_factory=dict)

    def note(self, event: SalesEvent) -> None:
        """Keep what an event says of its account and of its contact."""
        for said, contact in ((event.account_says, ""), (event.contact_says, event.contact_id or "")):
            if said:
                key = (event.tenant_id, event.account_id, contact)
                written = attributes.written(said, score.since_landmark(event.occurred_at), event.id)
                self.attributes[key] = attributes.merged(self.attributes.get(key, NONE), written)


class Question(NamedTuple):
    """What rules are evaluated with: an event, and its account including that event.

    Args:
        known: the account's scores, with the event or without.
        at: the moment that scores are computed for, never earlier than any event of the account.
        late: the event was received before ``at``, so other events of its account overtook it.
    """

    signal: Signal
    known: Known
    at: datetime
    late: bool


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
        moved = _apply(event, account, changes)
        if event.tenant_id in asked:
            question = Question(signal, account.known, at, late)
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


def _apply(event: SalesEvent, account: Account, changes: Changes) -> bool:
    """Add what an event adds to its account and its contact, and note what it says of them.

    Returns:
        Whether it does either.
    """
    says = bool(event.account_says or event.contact_says)
    if says:
        changes.note(event)
    if not event.kind.points:
        return says
    account.add(event.contact_id, *_added(event))
    if event.contact_id:
        changes.contacts.setdefault((event.tenant_id, event.account_id), set()).add(event.contact_id)
    return True


def _added(event: SalesEvent) -> tuple[Slot, Sum]:
    """Return what an event adds to the sums, and to which."""
    return score.contribution(event.kind, event.occurred_at, named=event.contact_id is not None)


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
_SHOWN_AS: Mapping[Side, str] = {"buyer": "account.engagement", "rep": "account.effort"}


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
        event = question.signal.event
        if not event.kind.points or _SHOWN_AS.get(event.kind.side) not in rule.condition.asks:
            return before  # no fact it reads has changed
        earlier = question._replace(known=account.without(event.contact_id, *_added(event)))
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
