"""The laws of account scores: no order, no grouping, one way of fading."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.domain import score
from functions.domain.catalog import EVENT_TYPES, EventType, Side
from functions.domain.model import DEFAULT
from functions.domain.score import LANDMARK, Slot, Sum, contribution, kept, points, trend

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
SIDES: tuple[Side, Side] = ("buyer", "rep")

KINDS = st.sampled_from([EVENT_TYPES[name] for name in sorted(EVENT_TYPES) if EVENT_TYPES[name].points])
MOMENTS = st.timedeltas(timedelta(days=-3650), timedelta(days=12_800)).map(LANDMARK.__add__)
#: What happened to one account: what and when.
HISTORIES = st.lists(st.tuples(KINDS, MOMENTS), max_size=30)


def fade(value: float, half_life_days: float, age: timedelta) -> float:
    """What is left of ``value`` points after ``age``, the plain way."""
    return value * math.exp2(-(age / timedelta(days=half_life_days)))


def sums_of(history: Iterable[tuple[EventType, datetime]]) -> dict[Slot, Sum]:
    sums: dict[Slot, Sum] = {}
    for kind, at in history:
        score.add(sums, *contribution(kind, at, named=False))
    return sums


@given(HISTORIES, st.randoms(use_true_random=False))
def test_the_order_of_events_makes_no_difference(history, random):
    shuffled = random.sample(history, len(history))
    before, after = sums_of(history), sums_of(shuffled)
    at = max((moment for _, moment in history), default=NOW)
    assert before == after
    assert [points(before, side, at) for side in SIDES] == [points(after, side, at) for side in SIDES]


@given(HISTORIES, st.lists(st.integers(0, 30), max_size=4))
def test_the_grouping_of_events_makes_no_difference(history, cuts):
    edges = [0, *sorted(cuts), len(history)]
    whole: dict[Slot, Sum] = {}
    for start, end in pairwise(edges):
        for slot, added in sums_of(history[start:end]).items():
            score.add(whole, slot, added)
    assert whole == sums_of(history)


@given(HISTORIES, st.randoms(use_true_random=False))
def test_duplicates_that_are_left_out_make_no_difference(history, random):
    once = dict(enumerate(history))
    redelivered = random.choices(list(once.items()), k=len(once) * 2) + list(once.items()) if once else []
    seen: dict[int, tuple[EventType, datetime]] = {}
    for identity, event in redelivered:
        seen.setdefault(identity, event)
    assert sums_of(seen.values()) == sums_of(history)


@given(HISTORIES, st.timedeltas(timedelta(0), timedelta(days=4000)))
def test_a_score_is_the_sum_of_its_faded_contributions(history, later):
    at = max((moment for _, moment in history), default=NOW) + later
    sums = sums_of(history)
    for side in SIDES:
        faded = [fade(kind.points, kind.half_life_days, at - moment) for kind, moment in history if kind.side == side]
        assert points(sums, side, at) == pytest.approx(math.fsum(faded), abs=1e-6 * max(1, len(faded)), rel=0)


@given(KINDS, MOMENTS)
def test_an_event_is_worth_its_points_at_once_and_half_of_them_a_half_life_later(kind, at):
    slot, amount = contribution(kind, at, named=False)
    half_life = timedelta(days=kind.half_life_days)
    assert points({slot: amount}, kind.side, at) == pytest.approx(kind.points, abs=1e-6)
    assert points({slot: amount}, kind.side, at + half_life) == pytest.approx(kind.points / 2, abs=1e-6)
    assert points({slot: amount}, kind.side, at + 10 * half_life) == pytest.approx(kind.points / 1024, abs=1e-6)


@given(KINDS, MOMENTS)
def test_an_event_counts_for_its_own_side_only(kind, at):
    slot, amount = contribution(kind, at, named=False)
    other = SIDES[kind.side == "buyer"]
    assert points({slot: amount}, other, at) == 0


@given(KINDS, st.datetimes(timezones=st.just(UTC)))
def test_an_event_of_any_time_fits_in_an_era(kind, at):
    slot, amount = contribution(kind, at, named=False)
    era = slot[3]
    span = timedelta(days=kind.half_life_days) * score.ERA_HALF_LIVES
    rounding = timedelta(milliseconds=1)
    assert -rounding <= at - LANDMARK - era * span <= span + rounding
    assert amount[0] * kind.points > 0
    assert abs(amount[0]) < 2**63
    assert points({slot: amount}, kind.side, at) == pytest.approx(kind.points, abs=1e-6)


@pytest.mark.parametrize("alias", ["email_opened", "demo_completed", "email_unsubscribed"])
def test_scores_go_on_over_the_edge_of_an_era(alias):
    kind = EVENT_TYPES[alias]
    edge = LANDMARK + timedelta(days=kind.half_life_days) * score.ERA_HALF_LIVES
    sums = sums_of([(kind, edge - timedelta(seconds=1)), (kind, edge)])
    assert sorted(slot[3] for slot in sums) == [0, 1]
    assert points(sums, "buyer", edge) == pytest.approx(2 * kind.points, abs=1e-3)


def test_what_was_before_the_first_era_has_eras_too():
    kind = EVENT_TYPES["email_opened"]
    assert contribution(kind, LANDMARK, named=False)[0][3] == 0
    assert contribution(kind, LANDMARK - timedelta(seconds=1), named=False)[0][3] == -1


@given(KINDS, st.integers(20, 2000))
def test_what_is_long_past_counts_for_nothing(kind, years):
    slot, amount = contribution(kind, datetime(1, 1, 1, tzinfo=UTC), named=False)
    assert abs(points({slot: amount}, kind.side, datetime(1 + years, 1, 1, tzinfo=UTC))) < 0.1


@given(HISTORIES, st.randoms(use_true_random=False))
def test_sums_that_have_faded_away_go_the_same_way_in_any_order(history, random):
    shuffled: dict[Slot, Sum] = {}
    for kind, at in random.sample(history, len(history)):
        score.add(shuffled, *contribution(kind, at, named=False))
        shuffled = kept(shuffled)
    assert shuffled == kept(sums_of(history))


@given(HISTORIES, st.timedeltas(timedelta(0), timedelta(days=4000)))
def test_nobody_sees_that_they_are_gone(history, later):
    at = max((moment for _, moment in history), default=NOW) + later
    sums = sums_of(history)
    for side in SIDES:
        assert points(kept(sums), side, at) == pytest.approx(points(sums, side, at), abs=1e-6 * (1 + len(history)))


def test_a_sum_goes_32_half_lives_after_the_end_of_its_era():
    opened, demo = EVENT_TYPES["email_opened"], EVENT_TYPES["demo_completed"]
    era = timedelta(days=7 * 32)
    first = (opened, LANDMARK)
    just_before, at_the_end = LANDMARK + 2 * era - timedelta(microseconds=1), LANDMARK + 2 * era
    assert len(kept(sums_of([first, (demo, just_before)]))) == 2
    assert len(kept(sums_of([first, (demo, at_the_end)]))) == 1


# --- what people see


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6))
def test_more_points_never_show_as_less(raw, more):
    assert DEFAULT.shown(raw) <= DEFAULT.shown(raw + more)


@given(st.floats(allow_nan=False))
def test_a_shown_score_is_between_0_and_100_with_one_decimal(raw):
    assert 0 <= DEFAULT.shown(raw) <= 100
    assert DEFAULT.shown(raw) == round(DEFAULT.shown(raw), 1)


@pytest.mark.parametrize(
    ("raw", "seen"), [(-30, 0.0), (0, 0.0), (1, 1.7), (15, 22.1), (30, 39.3), (60, 63.2), (120, 86.5), (1e9, 100.0)]
)
def test_raw_points_are_shown_as(raw, seen):
    assert DEFAULT.shown(raw) == seen


def test_one_completed_demo_shows_as_63_at_once_and_as_39_after_60_days():
    kind = EVENT_TYPES["demo_completed"]
    sums = sums_of([(kind, NOW)])
    assert DEFAULT.shown(points(sums, "buyer", NOW)) == 63.2
    assert DEFAULT.shown(points(sums, "buyer", NOW + timedelta(days=60))) == 39.3


@pytest.mark.parametrize(
    ("alias", "worth", "half_life_days", "side"),
    [
        ("email_opened", 1, 7, "buyer"),
        ("email_clicked", 6, 14, "buyer"),
        ("email_replied", 25, 30, "buyer"),
        ("page_viewed", 2, 7, "buyer"),
        ("pricing_viewed", 15, 14, "buyer"),
        ("form_submitted", 20, 30, "buyer"),
        ("call_connected", 15, 30, "buyer"),
        ("meeting_booked", 40, 45, "buyer"),
        ("meeting_no_show", -20, 30, "buyer"),
        ("demo_requested", 45, 45, "buyer"),
        ("demo_completed", 60, 60, "buyer"),
        ("proposal_viewed", 30, 30, "buyer"),
        ("trial_started", 50, 45, "buyer"),
        ("email_unsubscribed", -30, 90, "buyer"),
        ("email_bounced", -5, 30, "buyer"),
    ],
)
def test_what_a_buyer_does_is_worth(alias, worth, half_life_days, side):
    kind = EVENT_TYPES[alias]
    assert (kind.points, kind.half_life_days, kind.side) == (worth, half_life_days, side)


def test_what_a_rep_does_never_raises_engagement():
    assert {kind.alias for kind in EVENT_TYPES.values() if kind.side == "rep"} == {"email_sent", "call_made"}
    sums = sums_of([(EVENT_TYPES["email_sent"], NOW), (EVENT_TYPES["call_made"], NOW)])
    assert (points(sums, "buyer", NOW), round(points(sums, "rep", NOW), 6)) == (0, 20)


@pytest.mark.parametrize(
    ("seen", "called"),
    [
        (100.0, "hot"),
        (60.0, "hot"),
        (59.9, "warm"),
        (30.0, "warm"),
        (29.9, "cool"),
        (10.0, "cool"),
        (9.9, "cold"),
        (0.0, "cold"),
    ],
)
def test_a_shown_score_has_a_band(seen, called):
    assert DEFAULT.band(seen) == called


@pytest.mark.parametrize(
    ("now", "before", "called"),
    [
        (50, 45, "rising"),
        (50, 45.1, "steady"),
        (50, 50, "steady"),
        (50, 54.9, "steady"),
        (50, 55, "falling"),
        (0, 100, "falling"),
        (63.2, 0, "rising"),
    ],
)
def test_five_points_in_a_week_are_a_trend(now, before, called):
    assert trend(now, before) == called


def test_a_moment_ages_before_an_event_asks_for_no_number_a_float_cannot_hold():
    slot, total = contribution(EVENT_TYPES["email_opened"], datetime(2026, 1, 1, tzinfo=UTC), named=False)
    assert math.isfinite(points({slot: total}, "buyer", datetime(1, 1, 1, tzinfo=UTC)))
