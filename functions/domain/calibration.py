"""How well scores told which accounts would buy: lift by decile, precision of hot, and what each event type was worth.

A case is an account with its engagement just before its newest outcome, or now where it has none. It says how often
such accounts bought, not why: what happens together is not told apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from typing import NamedTuple

from events.errors import Refused
from functions.domain.catalog import EVENT_TYPES
from functions.domain.model import ScoringModel, Versioned
from functions.domain.plan import OwnEventType, event_type

#: What came of an account, as events say.
WON, LOST = EVENT_TYPES["deal_won"].type, EVENT_TYPES["deal_lost"].type
#: Accounts with an outcome that a report needs. Fewer show chance, not the model.
LEAST_OUTCOMES = 50
_DECILES = 10
#: Band -> the least lift of the deciles that it begins with.
_LEAST_LIFT = {"hot": 2.0, "warm": 1.0, "cool": 0.5}


class Case(NamedTuple):
    """An account as it stood when it was decided, or stands now.

    Args:
        score: its engagement, 0-100.
        won: what came of it; None where nothing did yet.
        types: the event types of the buyer's that had happened.
    """

    account_id: str
    score: float
    won: bool | None
    types: Collection[str]


class Cases(NamedTuple):
    """The accounts that a report rests on.

    Args:
        complete: they are all accounts of the tenant; else the newest outcomes, and accounts as if drawn by lot.
    """

    cases: Sequence[Case]
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Share:
    """How many of some accounts were won, and how that compares with all (``lift``: 1 is as many)."""

    accounts: int
    won: int
    win_rate: float
    lift: float


@dataclass(frozen=True, slots=True)
class Decile:
    """A tenth of the accounts by their scores, 1 is the highest."""

    number: int
    lowest: float
    highest: float
    share: Share


@dataclass(frozen=True, slots=True)
class TypeShare:
    """The accounts with an event of one type, and its points by the model; None of a type that is not known now."""

    event_type: str
    points: int | None
    share: Share


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What outcomes say of a scoring model.

    Args:
        version: of the model.
        complete: all accounts of the tenant are counted.
        outcomes: accounts that were won or lost; the others have no outcome.
        hot: of the accounts that were hot: ``win_rate`` is its precision.
        recall: the share of those won that were hot, 0-1.
        bands: where bands would begin by these outcomes; without a band that they do not tell.
        types: by win rate, the highest first.
    """

    version: int
    complete: bool
    outcomes: int
    all: Share
    hot: Share
    recall: float
    deciles: Sequence[Decile]
    bands: dict[str, float]
    types: Sequence[TypeShare]


def calibrated(found: Cases, scoring: Versioned, own: Mapping[str, OwnEventType]) -> Calibration:
    """Return what accounts and their outcomes say of a model.

    Args:
        own: the tenant's own event types, by name.

    Raises:
        Refused: 422, fewer than :data:`LEAST_OUTCOMES` have an outcome, or none was won.
    """
    cases, model = found.cases, scoring.model
    outcomes = sum(case.won is not None for case in cases)
    won = sum(case.won is True for case in cases)
    if outcomes < LEAST_OUTCOMES or not won:
        said = f"{outcomes} accounts have an outcome, {won} of them won"
        raise Refused("Too few outcomes", status=422, detail=f"{said}; {LEAST_OUTCOMES} are needed, and a deal won")
    rate = won / len(cases)
    hot = _share([case for case in cases if model.band(case.score) == "hot"], rate)
    deciles = list(_deciles(cases, rate))
    return Calibration(
        version=scoring.version,
        complete=found.complete,
        outcomes=outcomes,
        all=_share(cases, rate),
        hot=hot,
        recall=hot.won / won,
        deciles=deciles,
        bands=_bands(deciles),
        types=_types(cases, rate, lambda name: _points(name, model, own)),
    )


def _share(cases: Sequence[Case], rate: float) -> Share:
    won = sum(case.won is True for case in cases)
    return _counted(len(cases), won, rate)


def _counted(accounts: int, won: int, rate: float) -> Share:
    win_rate = won / accounts if accounts else 0.0
    return Share(accounts, won, win_rate, win_rate / rate)


def _deciles(cases: Sequence[Case], rate: float) -> Iterator[Decile]:
    """Yield tenths of ``cases``, the highest scores first. Of equal scores the ids decide, which know no outcome."""
    ranked = sorted(cases, key=lambda case: (-case.score, case.account_id))
    for number in range(_DECILES):
        part = ranked[len(ranked) * number // _DECILES : len(ranked) * (number + 1) // _DECILES]
        yield Decile(number + 1, part[-1].score, part[0].score, _share(part, rate))


def _bands(deciles: Sequence[Decile]) -> dict[str, float]:
    """Return where each band would begin: at the lowest score of the deciles from the top that have its lift."""
    found: dict[str, float] = {}
    above = 100.1
    for band, least in _LEAST_LIFT.items():
        run = list(takewhile(partial(_lifts, least), deciles))
        if run and 0 < run[-1].lowest < above:
            above = found[band] = run[-1].lowest
    return found


def _lifts(least: float, decile: Decile) -> bool:
    return decile.share.lift >= least


def _types(cases: Sequence[Case], rate: float, points: Callable[[str], int | None]) -> list[TypeShare]:
    seen = Counter(name for case in cases for name in case.types)
    won = Counter(name for case in cases if case.won for name in case.types)
    found = [TypeShare(name, points(name), _counted(seen[name], won[name], rate)) for name in seen]
    return sorted(found, key=lambda each: (-each.share.win_rate, each.event_type))


def _points(name: str, model: ScoringModel, own: Mapping[str, OwnEventType]) -> int | None:
    kind = event_type(name, own)
    return None if kind is None else model.worth(kind).points
