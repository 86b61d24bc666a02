"""Percentiles: where a score stands among others, counted the plain way; and how long that is remembered."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.api import standing
from functions.api.standing import REMEMBERED, Standings
from functions.domain.spread import Spread

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SCORES = st.lists(st.integers(0, 1000).map(lambda tenths: tenths / 10), min_size=1, max_size=50).map(sorted)


@given(SCORES, st.integers(0, 1000).map(lambda tenths: tenths / 10))
def test_a_percentile_counts_those_below_and_half_of_the_equal_ones(scores: list[float], score: float) -> None:
    below, same = sum(each < score for each in scores), sum(each == score for each in scores)
    expected = 100 * (below + same / 2) / len(scores)
    assert Spread(scores, True).percentile(score) == pytest.approx(expected, abs=0.051)


@given(SCORES, st.sampled_from([0.5, 0.75, 0.9]))
def test_so_many_have_at_most_a_quantile_and_fewer_have_less(scores: list[float], share: float) -> None:
    found = Spread(scores, True).quantile(share)
    assert sum(each <= found for each in scores) >= share * len(scores)
    assert sum(each < found for each in scores) < math.ceil(share * len(scores))


def test_of_no_accounts_there_is_a_middle() -> None:
    assert (Spread([], True).percentile(3), Spread([], True).quantile(0.9)) == (50, 0)


def test_scores_are_remembered_for_a_while_of_each_tenant(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, datetime]] = []

    def read(tenant: str, now: datetime) -> Spread:
        asked.append((tenant, now))
        return Spread([10.0, 20.0], True)

    standings = Standings(read)
    found = standings.among("acme", 20.0, NOW)
    assert (found.percentile, found.p50, found.p90, found.accounts, found.complete) == (75, 10, 20, 2, True)
    almost, over = NOW + REMEMBERED - timedelta(seconds=1), NOW + REMEMBERED
    standings.among("acme", 5.0, almost)
    assert asked == [("acme", NOW)]
    standings.among("acme", 5.0, over)
    standings.among("beta", 5.0, over)
    assert asked[1:] == [("acme", over), ("beta", over)]
    monkeypatch.setattr(standing, "MOST_TENANTS", 2)
    standings.among("gamma", 5.0, over)
    standings.among("beta", 5.0, over)
    standings.among("acme", 5.0, over)
    assert asked[3:] == [("gamma", over), ("acme", over)], "the oldest one was forgotten"
