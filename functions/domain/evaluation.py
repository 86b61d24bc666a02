"""Evaluations of a tenant's rules in a batch: what they may cost, and those that had no answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from functions.domain.condition import Facts
from functions.domain.rule import Rule

#: (tenant, rule)
RuleKey = tuple[str, str]


@dataclass(slots=True)
class Trouble:
    """What was wrong with a rule in a batch.

    Args:
        unanswered: how many evaluations had no answer, and so counted as false.
        why: the reason of the last of them.
        stopped: why the rule is switched off, or None.
    """

    unanswered: int = 0
    why: str | None = None
    stopped: str | None = None


class Clocks(NamedTuple):
    """Two clocks in seconds: one that is cheap to read, and the processor time of this thread."""

    wall_s: Callable[[], float]
    cpu_s: Callable[[], float]


#: Without clocks no budget is ever used up.
STOPPED_CLOCKS = Clocks(lambda: 0.0, lambda: 0.0)

#: Seconds of processor time for one evaluation of a rule, for all of a rule's in a batch (a rule that takes more is
#: switched off), and for all of a tenant's in a batch (beyond it, its conditions about data have no answer). An
#: accepted condition takes milliseconds for the largest event: functions/domain/condition.py.
EVALUATION_S, RULE_S, TENANT_S = 0.02, 0.1, 0.2
#: An evaluation that takes longer by the wall clock has processor time measured from then on.
SUSPICIOUS_S = 0.002


@dataclass(slots=True)
class Evaluations:
    """The evaluations of one tenant's rules in a batch: keeps the budget, and counts those without an answer."""

    clocks: Clocks
    rules: list[Rule]
    troubles: dict[RuleKey, Trouble]
    watched: bool = False
    spent: dict[str, float] = field(default_factory=dict)

    def holds(self, rule: Rule, facts: Facts) -> bool:
        """Whether the rule's condition is true of ``facts``; without an answer it is not, which is counted."""
        condition = rule.condition
        answer = self._measured(rule, facts) if condition.reads_data else condition.answer(facts)
        if answer is True or answer is False:
            return answer
        trouble = self._trouble(rule)
        trouble.unanswered += 1
        trouble.why = answer
        return False

    def _measured(self, rule: Rule, facts: Facts) -> bool | str:
        if self.watched:
            return self._within_budget(rule, facts)
        started = self.clocks.wall_s()
        answer = rule.condition.answer(facts)
        self.watched = self.clocks.wall_s() - started > SUSPICIOUS_S
        return answer

    def _within_budget(self, rule: Rule, facts: Facts) -> bool | str:
        if sum(self.spent.values()) > TENANT_S:
            return f"the tenant's rules had used up their {TENANT_S} s of a batch"
        _ = facts.converted  # once for all rules: on nobody's bill
        started = self.clocks.cpu_s()
        answer = rule.condition.answer(facts)
        took = self.clocks.cpu_s() - started
        total = self.spent[rule.id] = self.spent.get(rule.id, 0.0) + took
        for spent, most, what in ((took, EVALUATION_S, "one event"), (total, RULE_S, "one batch")):
            if spent > most:
                self._trouble(rule).stopped = f"took {spent:.3f} s of processor time for {what}, more than {most} s"
                self.rules = [each for each in self.rules if each.id != rule.id]
        return answer

    def _trouble(self, rule: Rule) -> Trouble:
        return self.troubles.setdefault((rule.tenant_id, rule.id), Trouble())
