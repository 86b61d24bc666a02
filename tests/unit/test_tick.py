"""A tick's name and moment: the same quarter of an hour is the same event."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import cloudevent
from functions.tick import EVERY_MINUTES, event, scheduled

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("late", "quarter"),
    [("00:00", 0), ("00:01", 0), ("14:59", 0), ("15:00", 15), ("29:59", 15), ("44:10", 30), ("59:59", 45)],
)
def test_a_job_that_starts_late_ticks_for_the_moment_it_was_due(late, quarter):
    minutes, seconds = map(int, late.split(":"))
    now = NOON + timedelta(minutes=minutes, seconds=seconds, microseconds=7)
    assert scheduled(now) == NOON + timedelta(minutes=quarter)


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_tick_is_at_most_a_quarter_of_an_hour_old_and_never_early(now):
    assert timedelta(0) <= now - scheduled(now) < timedelta(minutes=EVERY_MINUTES)
    assert event(scheduled(now)) == event(scheduled(scheduled(now)))


def test_every_tick_is_an_event_of_its_own():
    ticks = {scheduled(NOON + timedelta(minutes=minute)) for minute in range(60 * 24)}
    assert len({cloudevent.parse(event(tick)).event.id for tick in ticks}) == len(ticks) == 4 * 24


def test_a_tick_is_a_cloudevent():
    parsed = cloudevent.parse(event(NOON)).event
    assert (parsed.type, parsed.source, parsed.time) == ("io.sspp.tick", "/sspp/clock", "2026-11-20T12:00:00Z")
    assert parsed.data == {"at": "2026-11-20T12:00:00Z"}
