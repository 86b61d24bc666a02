"""Reasons: what a score is made of adds up to it, and names the strongest first."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.domain import score
from functions.domain.catalog import EVENT_TYPES
from functions.domain.explain import Known, contributions, explained
from functions.domain.rollup import People
from functions.domain.score import Slot, Sum

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
KINDS = st.sampled_from([EVENT_TYPES[name] for name in sorted(EVENT_TYPES)])
EVENTS = st.lists(st.tuples(KINDS, st.timedeltas(timedelta(0), timedelta(days=400))), max_size=20)


def sums_of(events) -> dict[Slot, Sum]:
    sums: dict[Slot, Sum] = {}
    for kind, age in events:
        score.add(sums, *score.contribution(kind, NOW - age, named=False))
    return sums


@given(EVENTS, st.sampled_from(["buyer", "rep"]))
def test_reasons_add_up_to_the_score_and_count_every_event_that_is_left(events, side):
    sums = sums_of(events)
    found = contributions(sums, side, NOW)
    points = math.fsum(each.points_now for each in found)
    assert points == pytest.approx(score.points(sums, side, NOW), abs=1e-5)
    for each in found:
        of = [age for kind, age in events if kind.type == each.event_type]
        assert (each.events, each.latest) == (len(of), NOW - min(of))
    strengths = [abs(each.points_now) for each in found]
    assert strengths == sorted(strengths, reverse=True)


def test_what_has_faded_to_nothing_is_no_reason():
    assert contributions(sums_of([(EVENT_TYPES["email_opened"], timedelta(days=400))]), "buyer", NOW) == []


def test_a_type_whose_points_or_half_life_changed_is_one_reason():
    now, before = EVENT_TYPES["demo_completed"], timedelta(days=0)
    sums = sums_of([(now, before)])
    sums[(now.type, "buyer", 30, 0, False)] = (1, 2, 0)
    [found] = contributions(sums, "buyer", NOW)
    assert (found.events, found.latest) == (3, NOW)


def test_a_score_is_compared_with_the_one_of_a_week_before():
    demo = EVENT_TYPES["demo_completed"]
    week_ago = sums_of([(demo, timedelta(days=7))])
    now = sums_of([(demo, timedelta(days=7)), (demo, timedelta(0))])
    found = explained(Known(now, People()), Known(week_ago, People()), "buyer", NOW)
    assert (found.score, found.score_week_ago) == (85.4, 63.2)
