"""Insights about our effort, and about how meetings go."""

from __future__ import annotations

from functions.domain.insight import NEWS_DAYS, Evidence, Kind, Look
from functions.domain.score import DAY_US
from functions.domain.thresholds import Insights
from functions.domain.watch import NO_SHOW, RESCHEDULED, TOUCHES_DAYS, Watch

#: A demo without a next step is old news after so many more days.
DEMO_DAYS = 30


def _effort_without_reply(look: Look) -> Evidence | None:
    watch = look.watch
    if watch.touches < look.limits.effort_without_reply.touches or not _stays_effort(look):
        return None
    return {"touches": watch.touches}


def _stays_effort(look: Look) -> bool:
    watch = look.watch
    return watch.touches > 0 and look.at < watch.touched + TOUCHES_DAYS * DAY_US


def _effort_due(watch: Watch, _: Insights) -> tuple[int, ...]:
    return (watch.touched + TOUCHES_DAYS * DAY_US,) if "effort_without_reply" in watch.open else ()


def _no_show(look: Look) -> Evidence | None:
    return {} if look.is_of(frozenset({NO_SHOW})) else None


def _rescheduled(look: Look) -> Evidence | None:
    moved = look.watch.moved
    if not look.is_of(frozenset({RESCHEDULED})) or moved < look.limits.meeting_health.reschedules:
        return None
    return {"times": moved}


def _no_next_step(look: Look) -> Evidence | None:
    demo, days = look.watch.demo, look.limits.meeting_health.nextStepDays
    if demo is None or look.at < demo + days * DAY_US or not _stays_without_step(look):
        return None
    return {"days": days}


def _stays_without_step(look: Look) -> bool:
    demo = look.watch.demo
    return (
        demo is not None and _step_due(look.watch, look.limits)[0] <= look.at < _step_due(look.watch, look.limits)[1]
    )


def _step_due(watch: Watch, limits: Insights) -> tuple[int, ...]:
    if watch.demo is None:
        return ()
    due = watch.demo + limits.meeting_health.nextStepDays * DAY_US
    return due, due + DEMO_DAYS * DAY_US


KINDS = (
    Kind(
        "effort_without_reply",
        lambda limits: limits.effort_without_reply,
        _effort_without_reply,
        lambda found: f"{found['touches']} touches of ours, and no reply",
        stays=_stays_effort,
        due=_effort_due,
    ),
    Kind(
        "no_show",
        lambda limits: limits.meeting_health,
        _no_show,
        lambda _: "nobody came to the meeting",
        days=NEWS_DAYS,
    ),
    Kind(
        "rescheduled",
        lambda limits: limits.meeting_health,
        _rescheduled,
        lambda found: f"the meeting was rescheduled {found['times']} times",
        days=NEWS_DAYS,
    ),
    Kind(
        "no_next_step",
        lambda limits: limits.meeting_health,
        _no_next_step,
        lambda found: f"no next step within {found['days']} days of the demo",
        stays=_stays_without_step,
        due=_step_due,
        in_silence=True,
    ),
)
