"""The rules of a batch's tenants."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

from events.errors import Refused
from functions.adapters.postgres.database import Transaction
from functions.adapters.postgres.parameters import json_tenants
from functions.domain.condition import Condition
from functions.domain.evaluation import RuleKey, Trouble
from functions.domain.rule import Rule, RuleDefinition


def rules_of(
    tx: Transaction, whose: Collection[str]
) -> tuple[Mapping[str, Sequence[Rule]], Mapping[RuleKey, Trouble]]:
    """The rules of some tenants, and those that were saved before their like was refused."""
    found: dict[str, list[Rule]] = defaultdict(list)
    unusable: dict[RuleKey, Trouble] = {}
    for row in tx.rows("load_rules", tenants=json_tenants(whose)):
        try:
            found[row["tenant_id"]].append(_rule(row))
        except Refused as exc:
            unusable[row["tenant_id"], str(row["rule_id"])] = Trouble(stopped=exc.faults[0].detail)
    return found, unusable


def _rule(row: Mapping[str, Any]) -> Rule:
    definition = RuleDefinition.as_saved(row["definition"])
    return Rule(
        tenant_id=row["tenant_id"],
        id=str(row["rule_id"]),
        version=row["version"],
        definition=definition,
        condition=_compiled(definition.when),
    )


@lru_cache(maxsize=1024)
def _compiled(when: str) -> Condition:
    return Condition.compile(when)
