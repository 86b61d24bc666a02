"""The signal engine: new events in, score changes, episodes and notices out. One pass, in the order they came."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from functions.domain import score
from functions.domain.catalog import Side
from functions.domain.notice import Notice, rule_notice_id
from functions.domain.rule import NEVER, Episode, Rule
from functions.domain.score import Slot
from functions.domain.signal import Signal

#: (tenant, account)
AccountKey = tuple[str, str]


@dataclass(slots=True)
class Account:
    """What is known of an account: its score sums, and its episode with each rule that ever had one, by id."""

    sums: dict[Slot, int] = field(default_factory=dict)
    episodes: dict[str, Episode] = field(default_factory=dict)


@dataclass(slots=True)
class State:
    """What is known before a batch: its accounts, as far as they are not new, and the rules of its tenants."""

    accounts: dict[AccountKey, Account]
    rules: Mapping[str, Sequence[Rule]]


@dataclass(slots=True)
class Changes:
    """What a batch led to: the accounts that are not what they were, and the notices that are due."""

    accounts: dict[AccountKey, Account] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)


def advance(state: State, signals: Iterable[Signal]) -> Changes:
    """Work through the new signals of a batch.

    Scores do not depend on the order. Rules are asked after every event, as of the moment it was received,
    so which notices there are depends on the events alone, not on how they were batched or how late it is.
    """
    changes = Changes()
    asked = {tenant: _asked(rules) for tenant, rules in state.rules.items()}
    for signal in signals:
        event = signal.event
        key = (event.tenant_id, event.account_id)
        account = state.accounts.get(key) or state.accounts.setdefault(key, Account())
        added = slot, amount = score.contribution(event.kind, event.occurred_at)
        if amount:
            account.sums[slot] = account.sums.get(slot, 0) + amount
            changes.accounts[key] = account
        if event.tenant_id in asked:
            facts = _facts(asked[event.tenant_id], signal, account.sums)
            for rule in state.rules[event.tenant_id]:
                before = account.episodes.get(rule.id, NEVER)
                after = _after(before, rule, signal, facts, account.sums, added)
                if after != before:
                    account.episodes[rule.id] = after
                    changes.accounts[key] = account
                if after.number > before.number:
                    changes.notices.append(_notice(rule, after, signal, account.sums))
    return changes


def _asked(rules: Iterable[Rule]) -> frozenset[str]:
    """The facts that any of ``rules`` asks for; fading an account's sums for nobody would cost the most."""
    return frozenset(name for rule in rules for name in rule.condition.asks)


def _engagement(signal: Signal, sums: Mapping[Slot, int]) -> float:
    return score.shown(score.points(sums, "buyer", signal.event.received_at))


def _effort(signal: Signal, sums: Mapping[Slot, int]) -> float:
    return score.shown(score.points(sums, "rep", signal.event.received_at))


#: What a rule may ask -> the answer, from the signal and the sums of its account.
_FACTS: Mapping[str, Callable[[Signal, Mapping[Slot, int]], object]] = {
    "account.id": lambda signal, _: signal.event.account_id,
    "account.engagement": _engagement,
    "account.effort": _effort,
    "event.type": lambda signal, _: signal.event.kind.type,
    "event.contact": lambda signal, _: signal.event.contact_id or "",
    "event.user": lambda signal, _: signal.event.user_id or "",
    "event.metadata": lambda signal, _: signal.event.metadata,
    "event.data": lambda signal, _: signal.event.data,
    "event.attributes": lambda signal, _: signal.event.attributes,
    "signal.type": lambda signal, _: signal.event.kind.signal,
    "signal.score": lambda signal, _: signal.score,
}

#: The fact that shows an account's sums of a side.
_SHOWN_AS: Mapping[Side, str] = {"buyer": "account.engagement", "rep": "account.effort"}


def _facts(names: Iterable[str], signal: Signal, sums: Mapping[Slot, int]) -> Mapping[str, object]:
    return {name: _FACTS[name](signal, sums) for name in names}


def _after(
    before: Episode,
    rule: Rule,
    signal: Signal,
    facts: Mapping[str, object],
    sums: Mapping[Slot, int],
    added: tuple[Slot, int],
) -> Episode:
    """How a rule stands with an account after ``signal``, which has ``added`` to its sums.

    An account cools down in silence, when nobody asks. So an open episode is asked about twice: with what this
    event adds, and without it, to see whether it had ended.
    """
    holds = rule.condition.holds(facts)
    if not holds and not before.open:
        return before
    if holds and before.open:
        slot, amount = added
        if not amount or _SHOWN_AS[slot[0]] not in rule.condition.asks:
            return before  # nothing that it asks for was another
        earlier = {**sums, slot: sums[slot] - amount}
        if rule.condition.holds(_facts(rule.condition.asks, signal, earlier)):
            return before
    at, cooldown = signal.event.received_at, timedelta(hours=rule.definition.cooldownHours)
    return before.after(False, at, cooldown).after(holds, at, cooldown)


def _notice(rule: Rule, episode: Episode, signal: Signal, sums: Mapping[Slot, int]) -> Notice:
    event = signal.event
    return Notice(
        id=rule_notice_id(rule.tenant_id, rule.id, rule.version, event.account_id, episode.number),
        tenant_id=rule.tenant_id,
        kind="rule",
        title=rule.definition.name,
        recipient=rule.definition.then[0].to,
        event_id=event.id,
        at=event.received_at,
        rule_id=rule.id,
        rule_version=rule.version,
        account_id=event.account_id,
        episode=episode.number,
        engagement=_engagement(signal, sums),
    )
