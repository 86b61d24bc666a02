"""The circuit breaker: who may ask a target that was away, and when."""

from __future__ import annotations

import threading

import pytest

from events.breaker import ASKED_MAX_S, HOLD_FIRST_S, HOLD_MAX_S, PROBE, Breaker


class Clock:
    """Stands still unless it is moved."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def breaker(clock):
    return Breaker(clock)


def elsewhere(breaker: Breaker, batch: int) -> int:
    """What another thread is allowed."""
    allowed: list[int] = []
    thread = threading.Thread(target=lambda: allowed.append(breaker.allows(batch)))
    thread.start()
    thread.join()
    return allowed[0]


def test_a_target_that_answers_is_asked_for_whole_batches(breaker):
    assert breaker.allows(500) == 500


def test_each_failure_doubles_the_pause_up_to_the_longest(breaker, clock):
    pauses = []
    for _ in range(8):
        pauses.append(breaker.opened())
        clock.now_s += pauses[-1]
    assert pauses == pytest.approx([HOLD_FIRST_S * 2**n for n in range(6)] + [HOLD_MAX_S] * 2)


def test_a_target_may_ask_for_a_longer_pause_within_reason_and_only_for_that_one(breaker, clock):
    pauses = []
    for asked_s in (30.0, 1e9, 0.0, 0.0, 7.0):
        pauses.append(breaker.opened(asked_s))
        clock.now_s += pauses[-1]
    assert pauses == [30.0, ASKED_MAX_S, HOLD_MAX_S, HOLD_MAX_S, 7.0]


def test_failures_that_come_together_count_once(breaker):
    assert [breaker.opened() for _ in range(5)] == [HOLD_FIRST_S] * 5


def test_during_a_pause_nobody_asks_and_then_one_does_with_a_few_events(breaker, clock):
    breaker.opened()
    assert breaker.allows(500) == 0
    clock.now_s += HOLD_FIRST_S
    assert (breaker.allows(500), breaker.allows(500), elsewhere(breaker, 500)) == (PROBE, 0, 0)


def test_a_probe_is_no_larger_than_a_batch(breaker, clock):
    breaker.opened()
    clock.now_s += HOLD_FIRST_S
    assert breaker.allows(3) == 3


def test_a_probe_that_is_answered_closes_it_for_all(breaker, clock):
    breaker.opened()
    clock.now_s += HOLD_FIRST_S
    breaker.allows(500)
    breaker.closed()
    assert breaker.allows(500) == elsewhere(breaker, 500) == 500
    assert breaker.opened() == HOLD_FIRST_S


def test_only_the_prober_can_leave_its_probe_to_another(breaker, clock):
    breaker.opened()
    clock.now_s += HOLD_FIRST_S
    assert elsewhere(breaker, 500) == PROBE
    breaker.release_probe()
    assert breaker.allows(500) == 0
    breaker.opened()
    clock.now_s += HOLD_MAX_S
    assert breaker.allows(500) == PROBE
    breaker.release_probe()
    assert elsewhere(breaker, 500) == PROBE


def test_waiting_is_never_for_nothing_and_never_too_long(breaker, clock):
    breaker.opened(30.0)
    assert breaker.wait_s() == HOLD_MAX_S
    clock.now_s += 60
    assert breaker.wait_s() == HOLD_FIRST_S
