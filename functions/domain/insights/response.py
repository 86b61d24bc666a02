"""Insights about high intent, and the clock that runs until we respond."""

from __future__ import annotations

from functions.domain.insight import MINUTE_US, Evidence, Kind, Look, short
from functions.domain.score import DAY_US
from functions.domain.thresholds import Insights
from functions.domain.watch import INTENT_DAYS, Watch


def _high_intent(look: Look) -> Evidence | None:
    if look.event is None or look.watch.intent_last != look.at or not _stays_intent(look):
        return None
    return {"type": look.event.type}


def _stays_intent(look: Look) -> bool:
    watch = look.watch
    return watch.intent is not None and look.at < watch.intent_last + INTENT_DAYS * DAY_US


def _intent_due(watch: Watch, _: Insights) -> tuple[int, ...]:
    return () if watch.intent is None else (watch.intent_last + INTENT_DAYS * DAY_US,)


def _response_due(watch: Watch, limits: Insights) -> tuple[int, ...]:
    if watch.intent is None:
        return ()
    return tuple(watch.intent + each * MINUTE_US for each in limits.high_intent.responseMinutes)


def _limit_passed(look: Look) -> bool:
    return look.event is None and look.at in _response_due(look.watch, look.limits)


def _no_response(look: Look) -> Evidence | None:
    if not _limit_passed(look) or not _stays_intent(look):
        return None
    return {"minutes": (look.at - (look.watch.intent or 0)) // MINUTE_US}


def _stays_without_response(look: Look) -> bool:
    return _stays_intent(look) and not _limit_passed(look)  # each limit begins one of its own


KINDS = (
    Kind(
        "high_intent",
        lambda limits: limits.high_intent,
        _high_intent,
        lambda found: f"{short(found['type'])}: the response clock runs",
        stays=_stays_intent,
        due=_intent_due,
    ),
    Kind(
        "no_response",
        lambda limits: limits.high_intent,
        _no_response,
        lambda found: f"no response of ours within {found['minutes']} minutes",
        stays=_stays_without_response,
        due=_response_due,
        in_silence=True,
    ),
)
