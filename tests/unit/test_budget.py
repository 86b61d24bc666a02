"""Refused work: what a bucket lets through, what it costs, and that waiting as told is enough."""

from __future__ import annotations

from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.errors import Refused
from functions.domain.key import WRITE_EVENTS, Grant
from functions.domain.plan import Terms
from functions.ingest.answer import RATE, Accepted, Declined
from functions.ingest.budget import BURST_S, DUPLICATE_COST, TENANT_PER_S, Allowance, Budget, cost_of
from functions.ingest.keys import Sender
from functions.web import buckets

#: Seconds since the request before, and what it turns out to cost.
REQUESTS = st.lists(st.tuples(st.floats(0, 3), st.floats(0.1, 500)), min_size=1, max_size=60)
#: Floats of this size are exact to less.
NOISE = 1e-6


@given(REQUESTS, st.floats(1, 1000), st.floats(0.1, 10))
def test_in_any_time_no_more_is_let_through_than_burst_and_refill_and_one_requests_debt(
    requests: list[tuple[float, float]], per_s: float, burst_s: float
) -> None:
    allowance = Allowance(per_s, burst_s)
    admitted: list[tuple[float, float]] = []
    now = 1000.0
    for waited_s, units in requests:
        now += waited_s
        if allowance.debt_s("a", now) <= 0:
            allowance.charge("a", units, now)
            admitted.append((now, units))
    for first, (start, _) in enumerate(admitted):
        totals = accumulate(units for _, units in admitted[first:])
        for total, (end, last) in zip(totals, admitted[first:], strict=True):
            assert total <= per_s * (burst_s + end - start) + last + NOISE


@given(REQUESTS, st.floats(1, 1000), st.floats(0.1, 10))
def test_after_the_time_it_is_told_a_debtor_is_let_in(
    requests: list[tuple[float, float]], per_s: float, burst_s: float
) -> None:
    allowance = Allowance(per_s, burst_s)
    now = 1000.0
    for waited_s, units in requests:
        now += waited_s
        if (debt_s := allowance.debt_s("a", now)) > 0:
            now += int(allowance.refusal(debt_s).headers["retry-after"])
            assert allowance.debt_s("a", now) <= NOISE
        allowance.charge("a", units, now)


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.floats(0, 0.2), st.floats(0.1, 50)), max_size=80))
def test_nothing_that_is_owed_is_forgotten(charges: list[tuple[str, float, float]]) -> None:
    with pytest.MonkeyPatch.context() as patched:
        roomy = Allowance(10, 1)
        patched.setattr(buckets, "MOST_REMEMBERED", 2)
        tight = Allowance(10, 1)
        now = 0.0
        for name, waited_s, units in charges:
            now += waited_s
            roomy.charge(name, units, now)
            tight.charge(name, units, now)
            for each in "abcdefgh":
                owed = roomy.debt_s(each, now), tight.debt_s(each, now)
                assert owed[0] == owed[1] or max(owed) <= -1 + NOISE, "full, and so not kept"


@pytest.mark.parametrize(
    ("decisions", "size", "units"),
    [
        ([Accepted("1", duplicate=False)], 10_000, 0),
        ([Declined("1", RATE)], 512, 1.5),
        ([Accepted("1", duplicate=True)], 1024, 2 * DUPLICATE_COST),
        ([Declined("", RATE)] * 3 + [Accepted("1", duplicate=False)], 4096, 6),
    ],
)
def test_what_is_stored_is_free_and_what_is_not_costs_its_part_of_the_body(
    decisions: list[Accepted | Declined], size: int, units: float
) -> None:
    assert cost_of(decisions, size) == units


def test_a_key_has_half_of_what_its_tenant_has() -> None:
    spent = Budget()
    first, second, third = (Sender(key, Grant("a", frozenset({WRITE_EVENTS})), Terms(), 0) for key in "123")
    other = Sender("4", Grant("b", frozenset({WRITE_EVENTS})), Terms(), 0)
    half = TENANT_PER_S * BURST_S / 2 + 1
    spent.charge(first, half, 0.0)
    with pytest.raises(Refused) as caught:
        spent.check(first, 0.0)
    assert (caught.value.status, caught.value.headers["ratelimit-limit"]) == (429, "5000")
    spent.check(second, 0.0)
    spent.charge(second, half, 0.0)
    with pytest.raises(Refused) as caught:
        spent.check(third, 0.0)
    assert caught.value.headers["ratelimit-limit"] == "10000"
    spent.charge(first, half, 0.0)
    with pytest.raises(Refused) as caught:
        spent.check(first, 0.0)
    wait_s = int(caught.value.headers["retry-after"])
    assert wait_s >= BURST_S, "its key has to wait longer than its tenant"
    spent.check(first, wait_s)
    spent.check(other, 0.0)
