"""A made-up past with the shape of a real one: the marketing funnel of Olist, a Brazilian market place (2017-2018).

Its published figures: 8,000 leads by month and origin, 842 deals, and how long those took (median two weeks, a long
tail). What its leads did is not known, so here each does things at random, and how much each of them helps to win is
planted: scores and calibration have a truth to be compared with.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

#: Leads, and how many of them were won.
LEADS, DEALS = 8_000, 842
#: Origin -> leads, and how many in a hundred of them were won.
ORIGINS: Mapping[str, tuple[int, float]] = {
    "organic_search": (2296, 11.8),
    "paid_search": (1586, 12.3),
    "social": (1350, 5.6),
    "unknown": (1159, 16.2),
    "direct_traffic": (499, 11.2),
    "email": (493, 3.0),
    "referral": (284, 8.5),
    "other": (150, 2.7),
    "display": (118, 5.1),
    "other_publicities": (65, 4.6),
}
#: Leads by the month of their first contact, from June 2017 on.
MONTHS = (4, 239, 386, 312, 416, 445, 200, 1141, 1028, 1174, 1352, 1303)
FIRST = datetime(2017, 6, 1, tzinfo=UTC)
#: When everything is over.
NOW = datetime(2018, 11, 15, tzinfo=UTC)
#: Lead times in days: their median, and the standard deviation of their logarithm.
MEDIAN_DAYS, SPREAD = 14.0, 1.3
#: What a lead may do -> how many in a hundred do it, and what that adds to the log-odds of a deal. The truth.
PLANTED: Mapping[str, tuple[int, float]] = {
    "demo_completed": (7, 3.0),
    "meeting_booked": (10, 2.2),
    "email_replied": (15, 1.5),
    "form_submitted": (25, 0.9),
    "pricing_viewed": (35, 0.4),
    "page_viewed": (60, 0.0),
}
#: How many in a hundred of the leads that were not won were lost; nothing came of the others.
LOST = 70


@dataclass(frozen=True, slots=True)
class Happened:
    """Something that a lead did, or an outcome."""

    account_id: str
    contact_id: str
    kind: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Lead:
    """An account of the funnel, with what happened, in time.

    Args:
        truth: the log-odds of a deal that were planted.
    """

    account_id: str
    origin: str
    truth: float
    won: bool
    happened: Sequence[Happened]


def funnel(seed: int, *, leads: int = LEADS) -> list[Lead]:
    """Return ``leads`` with as many deals in proportion, in the order of their ids, which tells nothing."""
    chance = random.Random(seed)
    did = [_doings(chance) for _ in range(leads)]
    origins = chance.choices(list(ORIGINS), [count for count, _ in ORIGINS.values()], k=leads)
    truth = [_truth(*each) for each in zip(origins, did, strict=True)]
    # Whoever is ahead by truth and luck is won (the Gumbel trick): as if drawn one by one by their odds.
    luck = [each - math.log(-math.log(chance.random())) for each in truth]
    deals = set(sorted(range(leads), key=lambda number: -luck[number])[: round(leads * DEALS / LEADS)])
    return [
        _lead(chance, number, origins[number], truth[number], did[number], won=number in deals)
        for number in range(leads)
    ]


def _doings(chance: random.Random) -> dict[str, int]:
    """Return what a lead does, and how often: mostly once."""
    done = {kind: 1 + int(chance.expovariate(1.5)) for kind, (of, _) in PLANTED.items() if chance.random() * 100 < of}
    return done or {"page_viewed": 1}


def _truth(origin: str, did: Mapping[str, int]) -> float:
    return math.log(ORIGINS[origin][1] / 10) + sum(PLANTED[kind][1] for kind in did)


def _lead(chance: random.Random, number: int, origin: str, truth: float, did: Mapping[str, int], *, won: bool) -> Lead:
    account = f"mql-{number:05}"
    month = chance.choices(range(len(MONTHS)), MONTHS)[0]
    first = FIRST + timedelta(days=30.4 * (month + chance.random()))
    last = first + timedelta(days=min(chance.lognormvariate(math.log(MEDIAN_DAYS), SPREAD), 150))
    people = [f"{name}@{account}" for name in ("ana", "bia", "caio")[: chance.choice((1, 1, 1, 1, 2, 3))]]
    happened = sorted(_events(chance, account, people, did, first, last), key=lambda each: each.at)
    if won or chance.random() * 100 < LOST:
        happened.append(Happened(account, people[0], "deal_won" if won else "deal_lost", last))
    return Lead(account, origin, truth, won, happened)


def _events(
    chance: random.Random, account: str, people: Sequence[str], did: Mapping[str, int], first: datetime, last: datetime
) -> Iterator[Happened]:
    for kind, times in did.items():
        for _ in range(times):
            at = first + (last - first) * chance.random()
            yield Happened(account, chance.choice(people), kind, at)
