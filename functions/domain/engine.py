"""The signal engine: new events in, score changes, episodes and notices out. One pass, in the order they came."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from functions.domain import score
from functions.domain.notice import Notice, rule_notice_id
from functions.domain.rule import NEVER, Episode, Rule
from functions.domain.score import Slot
from functions.domain.signal import Signal

#: (tenant, account)
Account = tuple[str, str]
#: (tenant, rule, account)
Standing = tuple[str, str, str]


@dataclass(slots=True)
class State:
    """What is known before a batch: the sums of its accounts and where the rules stand with them."""

    sums: dict[Account, dict[Slot, int]]
    episodes: dict[Standing, Episode]
    rules: Mapping[str, Sequence[Rule]]


@dataclass(slots=True)
class Changes:
    """What a batch changed: the sums and the standings that are new, as they are now."""

    sums: dict[Account, dict[Slot, int]] = field(default_factory=dict)
    episodes: dict[Standing, Episode] = field(default_factory=dict)
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
        account = (event.tenant_id, event.account_id)
        added = slot, amount = score.contribution(event.kind, event.occurred_at)
        sums = state.sums.setdefault(account, {})
        if amount:
            sums[slot] = sums.get(slot, 0) + amount
            changes.sums[account] = sums
        if event.tenant_id in asked:
            facts = _facts(asked[event.tenant_id], signal, sums)
            for rule in state.rules[event.tenant_id]:
                _ask(rule, signal, facts, added, state, changes)
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
    "signal.type": lambda signal, _: signal.event.kind.signal,
    "signal.score": lambda signal, _: signal.score,
}


def _facts(names: Iterable[str], signal: Signal, sums: Mapping[Slot, int]) -> Mapping[str, object]:
    return {name: _FACTS[name](signal, sums) for name in names}


def _earlier(rule: Rule, signal: Signal, added: tuple[Slot, int], state: State) -> Mapping[str, object]:
    """The facts without what the signal has added."""
    slot, amount = added
    sums = state.sums[signal.event.tenant_id, signal.event.account_id]
    return _facts(rule.condition.asks, signal, {**sums, slot: sums.get(slot, 0) - amount})


def _ask(
    rule: Rule,
    signal: Signal,
    facts: Mapping[str, object],
    added: tuple[Slot, int],
    state: State,
    changes: Changes,
) -> None:
    """Ask one rule about the account of ``signal``; begin or end its episode.

    An account cools down in silence, when nobody asks. So an open episode is asked about twice: with what this
    event adds, and without it, to see whether it had ended.
    """
    event = signal.event
    at = event.received_at
    standing = (rule.tenant_id, rule.id, event.account_id)
    before = state.episodes.get(standing, NEVER)
    holds = rule.condition.holds(facts)
    if not holds and not before.open:
        return
    if holds and before.open and rule.condition.holds(_earlier(rule, signal, added, state)):
        return
    cooldown = timedelta(hours=rule.definition.cooldownHours)
    after = before.after(False, at, cooldown).after(holds, at, cooldown)
    if after == before:
        return
    state.episodes[standing] = changes.episodes[standing] = after
    if after.number > before.number:
        changes.notices.append(
            Notice(
                id=rule_notice_id(rule.tenant_id, rule.id, rule.version, event.account_id, after.number),
                tenant_id=rule.tenant_id,
                kind="rule",
                title=rule.definition.name,
                recipient=rule.definition.then[0].to,
                event_id=event.id,
                at=at,
                rule_id=rule.id,
                rule_version=rule.version,
                account_id=event.account_id,
                episode=after.number,
                engagement=_engagement(signal, state.sums[event.tenant_id, event.account_id]),
            )
        )
