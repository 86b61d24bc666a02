"""Insights about a buyer's silence: going dark, dormant, and back again."""

from __future__ import annotations

from functions.domain.insight import NEWS_DAYS, Evidence, Kind, Look, short
from functions.domain.score import DAY_US
from functions.domain.thresholds import Insights
from functions.domain.watch import Watch

#: Least engagement, at its last event, of an account whose long silence is worth a word.
DORMANT_WAS = 10.0


def _dark_at(watch: Watch, limits: Insights) -> int:
    days = max(limits.going_dark.days, limits.going_dark.medianGaps * watch.usual_gap)
    return (watch.inbound or 0) + round(days * DAY_US)


def _dormant_at(watch: Watch, limits: Insights) -> int:
    return (watch.inbound or 0) + limits.dormant.days * DAY_US


def _going_dark(look: Look) -> Evidence | None:
    watch, limits = look.watch, look.limits
    if watch.inbound is None or watch.score < limits.going_dark.was:
        return None
    if look.at < _dark_at(watch, limits) or not _stays_dark(look):
        return None
    days = (look.at - watch.inbound) / DAY_US
    return {"silentDays": round(days, 1), "usualGapDays": watch.usual_gap, "was": watch.score}


def _stays_dark(look: Look) -> bool:
    watch, limits = look.watch, look.limits
    silent = watch.inbound is not None and look.at >= _dark_at(watch, limits)
    return silent and (not limits.dormant.enabled or look.at < _dormant_at(watch, limits))


def _dark_due(watch: Watch, limits: Insights) -> tuple[int, ...]:
    if watch.inbound is None or watch.score < limits.going_dark.was:
        return ()
    return _dark_at(watch, limits), _dormant_at(watch, limits)


def _dormant(look: Look) -> Evidence | None:
    watch = look.watch
    if watch.inbound is None or watch.score < DORMANT_WAS or not _stays_dormant(look):
        return None
    return {"silentDays": look.limits.dormant.days, "was": watch.score}


def _stays_dormant(look: Look) -> bool:
    return look.watch.inbound is not None and look.at >= _dormant_at(look.watch, look.limits)


def _dormant_due(watch: Watch, limits: Insights) -> tuple[int, ...]:
    return () if watch.inbound is None or watch.score < DORMANT_WAS else (_dormant_at(watch, limits),)


def _reactivated(look: Look) -> Evidence | None:
    if "dormant" not in look.watch.open or look.event is None or not look.event.inbound:
        return None
    return {"type": look.event.type, "silentDays": round(look.silent_us / DAY_US, 1)}


KINDS = (
    Kind(
        "going_dark",
        lambda limits: limits.going_dark,
        _going_dark,
        lambda found: (
            f"nothing from the buyer for {found['silentDays']:g} days; engagement was {found['was']}"
            + (f", and there were usually {found['usualGapDays']:g} days between" if found["usualGapDays"] else "")
        ),
        stays=_stays_dark,
        due=_dark_due,
        in_silence=True,
    ),
    Kind(
        "reactivated",
        lambda limits: limits.dormant,
        _reactivated,
        lambda found: f"{short(found['type'])} after {found['silentDays']:g} days without the buyer",
        days=NEWS_DAYS,
    ),
    Kind(
        "dormant",
        lambda limits: limits.dormant,
        _dormant,
        lambda found: f"nothing from the buyer for {found['silentDays']} days; engagement was {found['was']}",
        stays=_stays_dormant,
        due=_dormant_due,
        in_silence=True,
    ),
)
