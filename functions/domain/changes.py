"""What has changed about an account since a moment, in words: its score, what happened, what faded, and who."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from functions.domain import score
from functions.domain.catalog import SIDES, Side
from functions.domain.explain import Known, contributions
from functions.domain.score import Slot, Sum, Sums

#: Contacts that are named; of more, their number is told.
_NAMED = 5
#: What a score is called -> its side.
_CALLED: dict[Side, str] = {"buyer": "engagement", "rep": "effort"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """How an account has changed.

    Args:
        before, now: scores by side, 0-100.
        sentences: for people, the most important first; none where nothing has changed.
    """

    before: dict[Side, float]
    now: dict[Side, float]
    sentences: Sequence[str]


def change(before: Known, now: Known, since: datetime, at: datetime) -> Change:
    """Compare an account with itself at an earlier moment.

    Args:
        before: by the events until ``since``.
        now: by those until ``at``.
    """
    scores = {side: before.shown(side, since) for side in SIDES}, {side: now.shown(side, at) for side in SIDES}
    sentences = [*_scores(before, *scores), *_people(before, now)] if before.sums or now.sums else []
    added = _added(before.sums, now.sums)
    for side in SIDES:
        sentences += [each.sentence(at) for each in contributions(added, side, at)]
        faded = score.points(before.sums, side, since) - score.points(before.sums, side, at)
        if round(faded, 1) > 0:
            sentences.append(f"what there was of {_CALLED[side]} faded by {faded:.1f} points")
    return Change(before=scores[0], now=scores[1], sentences=sentences)


def _scores(known: Known, before: dict[Side, float], now: dict[Side, float]) -> Iterator[str]:
    band = known.scoring.model.band
    for side in SIDES:
        if before[side] != now[side]:
            verb = "rose" if now[side] > before[side] else "fell"
            moved = f"{_CALLED[side]} {verb} from {before[side]:.1f} to {now[side]:.1f}"
            bands = band(before[side]), band(now[side])
            yield f"{moved}: {bands[0]} became {bands[1]}" if side == "buyer" and bands[0] != bands[1] else moved


def _people(before: Known, now: Known) -> Iterator[str]:
    known = before.people.known
    new = sorted(
        name
        for name, contact in now.people.known.items()
        if contact.engaged and not (name in known and known[name].engaged)
    )
    if count := now.people.engaged - before.people.engaged:
        named = ", ".join(new[:_NAMED]) + (" and others" if count > _NAMED else "")
        yield f"{count} new contact{'s' if count > 1 else ''}: {named}"


def _added(before: Sums, now: Sums) -> Sums:
    """Return the sums of what has happened in between: of moments so far apart that few events are."""
    added: dict[Slot, Sum] = {}
    for slot, (total, events, latest) in now.items():
        had = before.get(slot, (0, 0, 0))
        if (total, events) != had[:2]:
            added[slot] = (total - had[0], events - had[1], latest)
    return added
