"""When signals are added up by day: late ones at once, the others when they are many and their day has passed."""

from __future__ import annotations

from datetime import date

import pytest

from functions.domain import score
from functions.domain.catalog import EVENT_TYPES, EventType
from functions.domain.history import Span, fold
from functions.domain.signal import Signal
from functions.domain.state import Account
from tests.unit.test_engine import DAY, NOON, signal

KEY = ("t1", "acme")
TODAY = NOON.date()


def account(days_until: date = date.min, events: int = 100) -> Account:
    slot, (total, _, latest) = score.contribution(EVENT_TYPES["demo_completed"], NOON, named=False)
    return Account({slot: (total, events, latest)}, {}, NOON, days_until)


def test_an_account_with_few_events_is_never_added_up():
    known = account(events=99)
    assert fold({KEY: known}, [signal(1)]) == ([], [], [])
    assert known.days_until == date.min


@pytest.mark.parametrize(("events", "days"), [(100, 30), (1_000, 3), (2_999, 2), (3_000, 1), (1_000_000, 1)])
def test_the_more_events_an_account_has_the_sooner_their_days_are_added_up(events, days):
    since = TODAY - days * DAY
    known = account(since + DAY, events)
    assert fold({KEY: known}, [signal(1)]) == ([], [], [])
    known = account(since, events)
    assert fold({KEY: known}, [signal(1)]) == ([Span(*KEY, since, TODAY)], [], [])
    assert known.days_until == TODAY


def test_a_day_that_goes_on_is_not_added_up_however_many_its_events_are():
    known = account(TODAY, 1_000_000)
    assert fold({KEY: known}, [signal(1)]) == ([], [], [])
    assert known.days_until == TODAY


def test_what_comes_late_for_its_day_is_added_to_it_at_once():
    late, on_time = signal(1, age=DAY), signal(2)
    known = account(TODAY)
    assert fold({KEY: known}, [late, on_time]) == ([], [late], [])


def test_signals_without_points_are_in_no_sum():
    worthless = Signal.of(signal(1).event._replace(kind=EventType("note.taken", "unscored", 0, 0, 1, prefix="")))
    known = account(TODAY + DAY)
    assert fold({KEY: known}, [worthless]) == ([], [], [])
    assert fold({}, [signal(2)]) == ([], [], [])
