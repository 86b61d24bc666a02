"""What is asked about recorded events to judge new ones, and what is said of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from functions.domain.policy import Fact

#: (tenant, account, contact or None)
GroupKey = tuple[str, str, str | None]
#: (tenant, event)
Identity = tuple[str, str]


class Stretch(NamedTuple):
    """A question: the oldest events of a group, of one type, in a stretch of time.

    Args:
        since, until: microseconds since the landmark, the end excluded; None: of all times.
        campaign: only those with this mark.
        verified: only verified ones; else all that say nothing against themselves.
        most: how many at most.
    """

    tenant_id: str
    account_id: str
    contact_id: str | None
    type: str
    since: int | None
    until: int | None
    campaign: int | None
    verified: bool
    most: int


class Recorded(NamedTuple):
    """A recorded event as far as others are compared with it."""

    group: GroupKey
    fact: Fact


class Change(NamedTuple):
    """An event that stands in another way than before.

    Args:
        before: its ``left_out`` until then.
    """

    group: GroupKey
    fact: Fact
    before: int

    @property
    def identity(self) -> Identity:
        """Whose event it is, and which."""
        return self.group[0], self.fact.id


class Verdict(NamedTuple):
    """What a new event says: how it stands itself, and which others stand in another way from then on.

    Args:
        fact: None of a retraction, which says nothing of itself.
    """

    fact: Fact | None = None
    changes: Sequence[Change] = ()

    @property
    def left_out(self) -> int:
        """Why the event does not count."""
        return self.fact.left_out if self.fact else 0


#: What is said of an event that nothing speaks against.
COUNTS = Verdict()


#: Group -> when its newest recorded events occurred, by event type, and the newest of all, in microseconds since the
#: landmark.
Newest = Callable[[GroupKey], tuple[Mapping[str, int], int]]
