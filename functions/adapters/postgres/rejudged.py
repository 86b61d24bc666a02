"""How signals of an account stand once others were moved to it or away: their groups are judged anew, whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

from functions.adapters.postgres import standing as stored
from functions.adapters.postgres.database import Transaction
from functions.domain import standing
from functions.domain.model import ScoringModel
from functions.domain.policy import Fact, Policy
from functions.domain.verification import Group


def rejudge(tx: Transaction, tenant: str, account: str, contacts: Collection[str | None], model: ScoringModel) -> None:
    """Judge the events of some contacts of an account by what is on record now, and store how they stand.

    Args:
        contacts: None are the events that name none.
    """
    by_contact: dict[str | None, list[Fact]] = defaultdict(list)
    for row in tx.many_rows("facts_of_account", tenant_id=tenant, account_id=account):
        if row["contact_id"] in contacts:
            by_contact[row["contact_id"]].append(stored.recorded(row).fact)
    policy = Policy.of(model)
    changed = [
        fact for contact, facts in by_contact.items() for fact in _judged(facts, policy, named=contact is not None)
    ]
    if changed:
        stored.move(tx, ((tenant, fact) for fact in changed))


def _judged(facts: list[Fact], policy: Policy, *, named: bool) -> list[Fact]:
    """Judge all events of a group anew, and return those that stand in another way than before."""
    before = {fact.id: fact.left_out for fact in facts}
    group = Group(policy, named=named)
    for fact in facts:
        fact.left_out &= standing.BY_ITSELF | standing.RETRACTED
        if fact.type in policy.compared and not fact.left_out:
            group.add(fact)
    return [fact for fact in facts if fact.left_out != before[fact.id]]
