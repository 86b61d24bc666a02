"""How the set-up Job waits for its stores, by a clock of the test's own."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from events.errors import Unavailable
from functions.migrate import patiently


class Time:
    """A clock that only ``sleep`` moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def away(times: int) -> tuple[Callable[[], None], list[str]]:
    """Something to do that fails so often, and what it did."""
    done: list[str] = []

    def act() -> None:
        done.append("failed" if len(done) < times else "worked")
        if done[-1] == "failed":
            raise Unavailable("PostgreSQL")

    return act, done


@pytest.mark.parametrize("wait_s", [0, 300])
def test_with_its_stores_there_it_waits_for_nothing(wait_s):
    time, (act, done) = Time(), away(0)
    patiently(act, wait_s, time.clock, time.sleep)
    assert (done, time.slept) == (["worked"], [])


def test_it_asks_every_two_seconds_until_they_answer():
    time, (act, done) = Time(), away(3)
    patiently(act, 300, time.clock, time.sleep)
    assert done == ["failed", "failed", "failed", "worked"]
    assert time.slept == [2, 2, 2]


@pytest.mark.parametrize(("wait_s", "slept_s"), [(0, 0), (300, 300)])
def test_it_gives_up_when_its_time_is_over(wait_s, slept_s):
    time, (act, _) = Time(), away(1_000_000)
    with pytest.raises(Unavailable, match="PostgreSQL is unavailable"):
        patiently(act, wait_s, time.clock, time.sleep)
    assert sum(time.slept) == slept_s


def test_anything_else_is_not_waited_for():
    def broken() -> None:
        raise ValueError("one")

    time = Time()
    with pytest.raises(ValueError, match="one"):
        patiently(broken, 300, time.clock, time.sleep)
    assert time.slept == []


def test_it_says_every_half_minute_what_it_waits_for(caplog):
    time, (act, _) = Time(), away(31)
    with caplog.at_level(logging.INFO, logger="sspp.migrate"):
        patiently(act, 300, time.clock, time.sleep)
    said = [record.fields for record in caplog.records if record.message == "waiting"]
    assert said == [{"store": "PostgreSQL", "reason": "", "seconds_left": left} for left in (300, 270, 240)]
