"""Calibration: what outcomes say of scores, counted by hand."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.errors import Refused
from functions.domain.calibration import LEAST_OUTCOMES, Case, Cases, calibrated
from functions.domain.model import UNCHANGED, ScoringModel, Versioned
from functions.domain.plan import OwnEventType

DEMO, PAGE = "io.sspp.demo.completed", "io.sspp.page.viewed"
WEBINAR = OwnEventType(type="webinar", signal="engagement", score=0.4, points=10, halfLifeDays=14)


def cases(*groups: tuple[int, float, bool | None, Iterable[str]]) -> Cases:
    """Groups of so many accounts with one score, one outcome and the same event types."""
    found = [(score, won, frozenset(types)) for count, score, won, types in groups for _ in range(count)]
    return Cases([Case(f"account-{number:04}", *each) for number, each in enumerate(found)])


#: 100 accounts of which 20 are won: 8 of the 10 hot ones, 10 of the 30 warm ones, 2 of the 60 others.
FOUND = calibrated(
    cases(
        (8, 80, True, [DEMO, PAGE]),
        (2, 70, False, [DEMO, PAGE]),
        (10, 50, True, [PAGE, "webinar"]),
        (10, 45, False, [PAGE]),
        (10, 40, False, [PAGE]),
        (2, 20, True, [PAGE, "gone"]),
        (18, 15, False, [PAGE]),
        (40, 5, None, []),
    ),
    UNCHANGED,
    {"webinar": WEBINAR},
)


def test_all_accounts_and_those_that_are_hot_are_counted() -> None:
    assert (FOUND.outcomes, FOUND.all.accounts, FOUND.all.won, FOUND.all.win_rate) == (60, 100, 20, 0.2)
    assert (FOUND.hot.accounts, FOUND.hot.won, FOUND.hot.win_rate) == (10, 8, 0.8)
    assert FOUND.hot.lift == pytest.approx(4)
    assert FOUND.recall == 0.4


def test_deciles_go_from_the_highest_scores_down() -> None:
    assert [(each.number, each.highest, each.lowest) for each in FOUND.deciles[:4]] == [
        (1, 80, 70),
        (2, 50, 50),
        (3, 45, 45),
        (4, 40, 40),
    ]
    assert [each.share.lift for each in FOUND.deciles] == pytest.approx([4, 5, 0, 0, 1, 0, 0, 0, 0, 0])
    assert [each.share.accounts for each in FOUND.deciles] == [10] * 10


def test_bands_begin_where_their_lift_ends() -> None:
    assert FOUND.bands == {"hot": 50}, "the run of deciles from the top ends there for warm and cool, too"
    falling = calibrated(
        cases(
            *((8, 90, True, []), (2, 88, False, [])),
            *((2, 60, True, []), (8, 59, False, [])),
            *((1, 30, True, []), (9, 29, False, [])),
            (70, 0, False, []),
        ),
        UNCHANGED,
        {},
    )
    assert falling.bands == {"hot": 88, "warm": 59, "cool": 29}


def test_event_types_come_by_what_their_accounts_won_beside_what_the_model_says() -> None:
    assert [(each.event_type, each.points, each.share.accounts, each.share.won) for each in FOUND.types] == [
        ("gone", None, 2, 2),
        ("webinar", 10, 10, 10),
        (DEMO, 60, 10, 8),
        (PAGE, 2, 60, 20),
    ]
    sharper = ScoringModel.model_validate({"types": {"demo_completed": {"points": 90}}})
    found = calibrated(cases((50, 80, True, [DEMO])), Versioned(2, sharper), {})
    assert [(each.event_type, each.points) for each in found.types] == [(DEMO, 90)]


@pytest.mark.parametrize(
    "groups",
    [
        [],
        [(LEAST_OUTCOMES - 1, 80, True, [])],
        [(LEAST_OUTCOMES - 1, 80, True, []), (500, 80, None, [])],
        [(LEAST_OUTCOMES, 80, False, [])],
    ],
)
def test_too_few_outcomes_are_refused(groups: list[tuple[int, float, bool | None, list[str]]]) -> None:
    with pytest.raises(Refused, match="Too few outcomes") as refused:
        calibrated(cases(*groups), UNCHANGED, {})
    assert refused.value.status == 422
    assert f"{LEAST_OUTCOMES} are needed" in (refused.value.detail or "")


@given(
    st.lists(
        st.tuples(st.just(1), st.floats(0, 100), st.sampled_from([True, False, None]), st.just([])),
        min_size=60,
        max_size=200,
    ),
    st.randoms(use_true_random=False),
)
def test_deciles_part_all_accounts_whatever_their_order(
    groups: list[tuple[int, float, bool | None, list[str]]], random: Random
) -> None:
    given_ = cases((LEAST_OUTCOMES, 30, True, [PAGE]), *groups)
    found = calibrated(given_, UNCHANGED, {})
    shuffled = Cases(random.sample(given_.cases, len(given_.cases)))
    assert calibrated(shuffled, UNCHANGED, {}) == found
    assert sum(each.share.accounts for each in found.deciles) == len(given_.cases) == found.all.accounts
    assert sum(each.share.won for each in found.deciles) == found.all.won
    scores = [each for decile in found.deciles for each in (decile.highest, decile.lowest)]
    assert scores == sorted(scores, reverse=True)
