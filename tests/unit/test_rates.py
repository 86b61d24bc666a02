"""A caller's rate: never more than its burst at once, never more than its average for long."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from functions.domain.plan import Rate
from functions.web import buckets
from functions.web.rates import Rates

SECOND = 1_000_000


@given(st.floats(0.1, 1000), st.integers(1, 50), st.lists(st.integers(0, 3 * SECOND), max_size=80))
def test_what_fits_is_the_burst_and_the_average_and_what_is_told_comes_true(per_second, burst, gaps):
    rate, known, now, taken = Rate(perSecond=per_second, burst=burst), Rates(), SECOND, 0
    for gap in gaps:
        now += gap
        standing = known.take("acme", rate, now)
        taken += standing.fits
        assert taken <= burst + (now - SECOND) / rate.interval_us
        assert 0 <= standing.left <= burst - standing.fits
        if not standing.fits:
            next_us = round(standing.next_s * SECOND)
            assert standing.left == 0
            assert not known.take("acme", rate, now + next_us - 1).fits
            now += next_us
            taken += 1
            assert known.take("acme", rate, now).fits
    assert known.take("beta", rate, now).fits
    full = known.take("acme", rate, now + burst * rate.interval_us)
    assert (full.fits, full.left) == (True, burst - 1)


def test_who_has_the_whole_burst_again_is_forgotten(monkeypatch):
    monkeypatch.setattr(buckets, "MOST_REMEMBERED", 10)
    rate, known = Rate(perSecond=1, burst=1), Rates()
    for number in range(100):
        assert known.take(str(number), rate, number * SECOND).fits
    assert len(known._buckets._full_at) <= 11
