"""When signals are added up by day: late ones at once, the others when they are many and their day has passed."""

from __future__ import annotations

from datetime import date, timedelta

from functions.domain.catalog import EventType
from functions.domain.engine import Account
from functions.domain.history import Span, fold
from functions.domain.signal import Signal
from tests.unit.test_engine import DAY, NOON, signal

KEY = ("t1", "acme")
TODAY = NOON.date()


def account(days_until: date = date.min, unfolded: int = 0, as_of: timedelta = timedelta(0)) -> Account:
    return Account({}, {}, NOON + as_of, days_until, unfolded)


def test_few_signals_stay_as_they_are():
    known = account(unfolded=7)
    assert fold({KEY: known}, [signal(1), signal(2), signal(3)], most=10) == ([], [])
    assert (known.days_until, known.unfolded) == (date.min, 10)


def test_many_are_added_up_until_the_day_of_the_newest_event():
    known = account(date(2026, 1, 1), unfolded=10)
    assert fold({KEY: known}, [signal(1)], most=10) == ([Span(*KEY, date(2026, 1, 1), TODAY)], [])
    assert (known.days_until, known.unfolded) == (TODAY, 0)


def test_a_day_that_goes_on_is_not_added_up_however_many_they_are():
    known = account(TODAY, unfolded=1000)
    assert fold({KEY: known}, [signal(1)], most=10) == ([], [])
    assert (known.days_until, known.unfolded) == (TODAY, 1001)


def test_what_comes_late_for_its_day_is_added_to_it_at_once():
    late, on_time = signal(1, age=DAY), signal(2)
    known = account(TODAY)
    assert fold({KEY: known}, [late, on_time], most=10) == ([], [late])
    assert known.unfolded == 1


def test_signals_without_points_are_in_no_sum():
    worthless = Signal.of(signal(1).event._replace(kind=EventType("note.taken", "unscored", 0, 0, 1, prefix="")))
    known = account(TODAY + DAY)
    assert fold({KEY: known}, [worthless], most=0) == ([], [])
    assert fold({}, [signal(2)], most=0) == ([], [])
