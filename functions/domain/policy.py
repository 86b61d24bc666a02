"""A scoring model's caps and signs of machines, as they are compared with events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from functions.domain import score, standing
from functions.domain.catalog import Side
from functions.domain.evidence import CLICKED, SENT, Marks
from functions.domain.model import ScoringModel
from functions.domain.standing import BURST, CAMPAIGN, DAY, LINKS

_SECOND_US = 1_000_000


class Window(NamedTuple):
    """A stretch of time in which events of one kind are counted.

    Args:
        bit: why its events are left out once there are too many.
        since, until: microseconds since the landmark, the end excluded.
        mail: where it is one of clicks, the e-mail that they are on; its different links are counted.
        most: so many are too many.
    """

    bit: int
    type: str
    mail: int | None
    since: int
    until: int
    most: int

    @property
    def by_link(self) -> bool:
        """Whether different links of one e-mail are counted, and not events."""
        return self.mail is not None


class Rank(NamedTuple):
    """A list of verified events of which the oldest ``most`` count: those of a day (UTC) or of a campaign."""

    bit: int
    type: str
    of: int
    most: int


@dataclass(slots=True)
class Fact:
    """What is compared of an event.

    Args:
        at: when it occurred, in microseconds since the landmark.
        side: the buyer's or the rep's, whatever it counts for.
        left_out: why it does not count: the bits of :mod:`functions.domain.standing`.
    """

    id: str
    type: str
    at: int
    side: Side
    points: int
    half_life_days: int
    marks: Marks
    left_out: int = 0

    @property
    def place(self) -> tuple[int, str]:
        """Its place among others: the older first."""
        return self.at, self.id

    @property
    def verified(self) -> bool:
        """Whether nothing speaks against it but that others came before it."""
        return not self.left_out & ~standing.CAPPED

    @property
    def judged(self) -> bool:
        """Whether it can be left out: what our rep did, and what takes points away, always counts."""
        return self.side == "buyer" and self.points > 0


@dataclass(frozen=True, slots=True)
class Policy:
    """The caps and the signs of machines of a scoring model, as they are compared with events."""

    flags: frozenset[str]
    proxies: tuple[str, ...]
    fast_us: int
    bursts: Mapping[str, tuple[int, int]]
    links: tuple[int, int] | None
    per_day: Mapping[str, int]
    per_campaign: Mapping[str, int]
    #: Types whose events are compared with others.
    compared: frozenset[str]
    #: How far from an event another one can be and still lie in a window with it.
    reach_us: int

    @classmethod
    def of(cls, model: ScoringModel) -> Policy:
        """Return the policy of a model."""
        return _policy(model.model_dump_json(include={"caps", "machines"}))

    def windows(self, fact: Fact) -> Iterator[Window]:
        """Yield the windows that an event lies in."""
        if burst := self.bursts.get(fact.type):
            yield from _windows(BURST, fact, None, *burst)
        mail = fact.marks.mail
        if self.links and fact.type == CLICKED and mail is not None and fact.marks.link is not None:
            yield from _windows(LINKS, fact, mail, *self.links)

    def ranks(self, fact: Fact) -> Iterator[Rank]:
        """Yield the lists that an event is in if it is verified."""
        if most := self.per_day.get(fact.type):
            yield Rank(DAY, fact.type, fact.at // score.DAY_US, most)
        campaign = fact.marks.campaign
        if campaign is not None and (most := self.per_campaign.get(fact.type)):
            yield Rank(CAMPAIGN, fact.type, campaign, most)

    def by_itself(self, metadata: Mapping[str, object]) -> int:
        """Return why an event is left out by what it says of itself."""
        left_out = 0
        if not self.flags.isdisjoint(metadata) and any(_true(metadata.get(name)) for name in self.flags):
            left_out |= standing.FLAGGED
        agent = metadata.get("userAgent")
        if isinstance(agent, str) and any(proxy in agent.lower() for proxy in self.proxies):
            left_out |= standing.PROXY
        return left_out


@lru_cache(maxsize=1024)
def _policy(definition: str) -> Policy:
    model = ScoringModel.model_validate_json(definition)
    machines, caps = model.machines, model.caps
    burst, links = machines.burst, machines.mailBurst
    return Policy(
        flags=frozenset(machines.flags),
        proxies=tuple(text.lower() for text in machines.proxies),
        fast_us=round(machines.clickAfterSendSeconds * _SECOND_US),
        bursts={name: (each.events, each.seconds * _SECOND_US) for name, each in burst.items()},
        links=(links.links, links.seconds * _SECOND_US) if links else None,
        per_day=caps.perDay,
        per_campaign=caps.perCampaign,
        compared=frozenset({CLICKED, SENT, *burst, *caps.perDay, *caps.perCampaign}),
        reach_us=_SECOND_US * max([links.seconds if links else 0, *(each.seconds for each in burst.values())]),
    )


def _true(value: object) -> bool:
    return value is True or value == 1 or (isinstance(value, str) and value.lower() in {"true", "yes", "1"})


def _windows(bit: int, fact: Fact, mail: int | None, most: int, length: int) -> Iterator[Window]:
    """Yield the two windows at a moment. They overlap by half: a burst on the edge of one lies in the other."""
    for shift in (0, length // 2):
        since = (fact.at + shift) // length * length - shift
        yield Window(bit << bool(shift), fact.type, mail, since, since + length, most)
