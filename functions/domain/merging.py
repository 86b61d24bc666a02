"""Which accounts are one customer: a tree of merges, whose root counts for all of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

from events.errors import Fault, Refused
from functions.domain.name import Name

#: Account -> the account that it was merged into, or None.
Steps = Mapping[str, str | None]
_NAME = TypeAdapter[str](Name)
#: Accounts that one account may count for.
MOST_ALIASES = 100


class Move(NamedTuple):
    """What a merge or its undoing does.

    Args:
        account: whose signals move.
        into: where they move to.
        family: the accounts, itself among them, whose events it had before or has again.
        joins: whether it is a merge.
    """

    account: str
    into: str
    family: frozenset[str]
    joins: bool


def other(account: str | None, data: Mapping[str, Any]) -> str | None:
    """Return the other account that a merge's data names beside ``account``; None where it names none."""
    try:
        found = _NAME.validate_python(data.get("from"), strict=True)
    except ValidationError:
        return None
    return found if found != account else None


def faults(account: str | None, data: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield what is wrong with the data of a merge into ``account``, or of its undoing."""
    if other(account, data) is None:
        yield Fault("/data/from", "must name another account")


def root(steps: Steps, account: str) -> str:
    """Return the account that counts for ``account``."""
    while (above := steps.get(account)) is not None:
        account = above
    return account


def family(steps: Steps, account: str) -> frozenset[str]:
    """Return ``account`` and all that were merged into it, directly or not."""
    return frozenset(each for each in steps if account in _line(steps, each)) | {account}


def merge(steps: Steps, account: str, other: str) -> Move | None:
    """Return what it takes for ``account`` to count for ``other``; None where it does already.

    Raises:
        Refused: 422, another account counts for ``other``; or there are too many.
    """
    into = root(steps, account)
    if root(steps, other) == into:
        return None
    if steps.get(other) is not None:
        raise _refused(f"counts for {root(steps, other)} already: undo that first")
    joined = family(steps, other)
    if len(family(steps, into)) + len(joined) > MOST_ALIASES:
        raise _refused(f"would be one of more than {MOST_ALIASES} accounts that are one customer")
    return Move(other, into, joined, joins=True)


def unmerge(steps: Steps, account: str, other: str) -> Move:
    """Return what it takes to undo that ``account`` counts for ``other``.

    Raises:
        Refused: 422, it does not.
    """
    into = root(steps, account)
    if steps.get(other) is None or root(steps, other) != into:
        raise _refused(f"is not merged into {account}")
    return Move(into, other, family(steps, other), joins=False)


def _line(steps: Steps, account: str) -> list[str]:
    line = [account]
    while (above := steps.get(line[-1])) is not None:
        line.append(above)
    return line


def _refused(why: str) -> Refused:
    return Refused("Unacceptable event", status=422, faults=(Fault("/data/from", why),))
