"""What another scoring model changes: how accounts stand by the one that counts, and would stand by the other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from functions.domain.explain import Known

#: Accounts that change their band and are named; the others are counted.
MOST_NAMED = 1_000


class Standing(NamedTuple):
    """An account by two models.

    Args:
        counts: what is known of it by the model that counts.
        then: and by the other.
    """

    account_id: str
    counts: Known
    then: Known
    at: datetime


class Move(NamedTuple):
    """An account that changes its band."""

    account_id: str
    before: float
    after: float
    band_before: str
    band_after: str


@dataclass(slots=True)
class Rescored:
    """What a model changes.

    Args:
        signals: those that are worth something else.
        accounts: all that were looked at.
        moved: how many change their band.
        moves: of these, the first by id.
    """

    signals: int = 0
    accounts: int = 0
    moved: int = 0
    moves: list[Move] = field(default_factory=list)

    def add(self, standings: Iterable[Standing]) -> None:
        """Count accounts."""
        for each in standings:
            self.accounts += 1
            before, after = each.counts.shown("buyer", each.at), each.then.shown("buyer", each.at)
            bands = each.counts.scoring.model.band(before), each.then.scoring.model.band(after)
            if bands[0] != bands[1]:
                self.moved += 1
                if len(self.moves) < MOST_NAMED:
                    self.moves.append(Move(each.account_id, before, after, *bands))
