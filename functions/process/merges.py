"""Merges of accounts, each in a transaction of its own, and batches that such a one came before."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from events.errors import Refused
from functions.domain.signal import Signal
from functions.ports import AccountsMoved, Recorded

#: Signals that search is told of in one answer: a merge moves no more, and its undoing may.
MOST_TOLD = 10_000
#: How often a batch is begun whose accounts were merged meanwhile.
MOST_TRIES = 5
Done = TypeVar("Done")
#: Records a merge of accounts, or its undoing.
Merge = Callable[[Signal], Recorded]


def recorded(signal: Signal, merge: Merge, before: Recorded) -> Signal | Refused:
    """Record a merge, or its undoing, and add what it led to to what was recorded ``before``; it may be refused."""
    try:
        done = settled(lambda: merge(signal))
    except Refused as exc:
        return exc
    before.contents.update(done.contents)
    before.insights.update(done.insights)
    before.moved.update({identity: moved[:MOST_TOLD] for identity, moved in done.moved.items()})
    return signal


def settled(act: Callable[[], Done]) -> Done:
    """Return what ``act`` returns, which begins anew where accounts were merged meanwhile.

    Raises:
        AccountsMoved: again and again.
    """
    for _ in range(MOST_TRIES - 1):
        with suppress(AccountsMoved):
            return act()
    return act()
