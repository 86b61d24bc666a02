"""The retry policy: which answers are worth another try, and when it comes."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from events.retry import NO_ANSWER, RetryPolicy, Verdict, schedule
from events.settings import DispatcherSettings

POLICY = RetryPolicy()


@pytest.mark.parametrize(
    ("status", "becomes"),
    [
        (200, "done"),
        (202, "done"),
        (204, "done"),
        (299, "done"),
        (NO_ANSWER, "retried"),
        (404, "retried"),
        (408, "retried"),
        (409, "retried"),
        (429, "retried"),
        (500, "retried"),
        (502, "retried"),
        (503, "retried"),
        (504, "retried"),
        (599, "retried"),
        (100, "buried"),
        (301, "buried"),
        (400, "buried"),
        (401, "buried"),
        (403, "buried"),
        (405, "buried"),
        (410, "buried"),
        (413, "buried"),
        (415, "buried"),
        (422, "buried"),
        (451, "buried"),
    ],
)
def test_an_answer_is_judged_by_knatives_delivery_contract(status, becomes):
    verdict = Verdict(status)
    waits = POLICY.wait_s(verdict, 1, rand=lambda: 0.0)
    judged = "done" if verdict.delivered else "buried" if waits is None else "retried"
    assert judged == becomes


@pytest.mark.parametrize(
    ("attempts", "retry_after_s", "wait_s"),
    [
        (1, 0, 5),
        (2, 0, 25),
        (3, 0, 125),
        (4, 0, None),
        (5, 0, None),
        (1, 3, 5),
        (1, 30, 30),
        (3, 30, 125),
        (3, 300, 300),
        (1, 86_400, 300),
        (4, 30, None),
        (1, -1, 5),
    ],
)
def test_a_retry_waits_longer_each_time_and_as_long_as_the_function_asked(attempts, retry_after_s, wait_s):
    verdict = Verdict(503, retry_after_s=retry_after_s)
    assert POLICY.wait_s(verdict, attempts, rand=lambda: 0.0) == wait_s


@pytest.mark.parametrize("attempts", [1, 2, 3])
def test_what_can_never_succeed_is_not_tried_again_even_if_the_function_asks(attempts):
    assert POLICY.wait_s(Verdict(422, retry_after_s=10), attempts, rand=lambda: 0.0) is None


@given(st.integers(1, 3), st.floats(0, 1, exclude_max=True), st.floats(0, 1))
def test_jitter_only_lengthens_a_wait_and_by_no_more_than_its_share(attempts, drawn, jitter):
    policy = RetryPolicy(jitter=jitter)
    least = Fraction(policy.delays_s[attempts - 1])
    wait_s = policy.wait_s(Verdict(500), attempts, rand=lambda: drawn)
    assert wait_s is not None
    assert least <= Fraction(wait_s) <= least * (1 + Fraction(jitter)) * (1 + Fraction(1, 2**50))


def test_jitter_lengthens_a_wait_by_what_is_drawn_of_its_share():
    assert [
        RetryPolicy(delays_s=(100,)).wait_s(Verdict(500), 1, rand=rand) for rand in (lambda: 0.0, lambda: 0.5)
    ] == [
        100,
        105,
    ]


@given(st.lists(st.floats(0, 1000), max_size=5), st.integers(0, 599), st.integers(1, 10))
def test_an_event_is_tried_once_and_then_once_for_each_delay(delays, status, attempts):
    policy = RetryPolicy(delays_s=delays, jitter=0)
    wait_s = policy.wait_s(Verdict(status), attempts, rand=lambda: 0.5)
    if attempts > len(delays) or not Verdict(status).worth_retrying:
        assert wait_s is None
    else:
        assert wait_s == delays[attempts - 1]


@pytest.mark.parametrize(
    ("text", "delays_s"),
    [
        ("PT5S,PT25S,PT125S", (5, 25, 125)),
        ("5,25,125", (5, 25, 125)),
        (" PT0.5S , 1.5 ", (0.5, 1.5)),
        ("PT2M5S,PT1H,P1D", (125, 3600, 86_400)),
        ("P7D,P1W", (604_800, 604_800)),
        ("", ()),
    ],
)
def test_a_schedule_is_seconds_or_iso_8601_durations(text, delays_s):
    assert schedule(text) == delays_s


@given(st.timedeltas(timedelta(), timedelta(days=7)))
def test_a_duration_is_as_long_as_pydantic_says(length):
    [delay_s] = schedule(TypeAdapter(timedelta).dump_python(length, mode="json"))
    assert delay_s == pytest.approx(length.total_seconds())


def test_the_schedule_of_the_settings_is_the_one_of_the_policy():
    assert schedule(DispatcherSettings().retry_schedule) == RetryPolicy().delays_s


@pytest.mark.parametrize(
    ("says", "texts"),
    [
        (
            "each must be a number of seconds or an ISO 8601 duration",
            ("soon", "PT", "P", "-PT5S", "PT8D", "5;25", "P1Y2X", "P1M", "P1DT", "PT1M1H"),
        ),
        ("each must be between 0 seconds and 7 days", ("-1", "P8D", "nan", "inf")),
    ],
)
def test_a_schedule_that_is_none_is_refused_and_not_repeated(says, texts):
    for text in texts:
        with pytest.raises(ValueError, match=f"^{says}$"):
            schedule(text)
