"""Parameters of queries: moments are times of this century, or 400; accounts are sorted as it is asked for, or 400."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.errors import Refused
from functions.adapters.postgres.account_lists import Choice
from functions.api.account_choice import AccountChoice
from functions.api.parameters import parsed
from functions.api.signals import SignalList

SINCE = datetime(2000, 1, 1, tzinfo=UTC)
UNTIL = datetime(2100, 1, 1, tzinfo=UTC)


def read(text: str) -> datetime | None:
    """The moment that ``from`` is read as; None where it is refused."""
    try:
        return parsed(SignalList, {"from": text}).since
    except Refused:
        return None


@given(st.one_of(st.integers(), st.floats(), st.text("0123456789.+-eE_ ", max_size=20)))
def test_a_number_is_a_time_of_this_century_or_refused(number):
    try:
        float(str(number))
    except ValueError:
        return
    found = read(str(number))
    assert found is None or SINCE <= found < UNTIL


@given(st.datetimes(SINCE.replace(tzinfo=None), UNTIL.replace(tzinfo=None) - timedelta(seconds=1)))
def test_one_moment_has_many_spellings(moment):
    moment = moment.replace(microsecond=0, tzinfo=UTC)
    seconds = int(moment.timestamp())
    spelt = [moment.isoformat(), f"{moment:%Y-%m-%dT%H:%M:%Sz}", f"{moment:%Y-%m-%d %H:%M:%S}", str(seconds)]
    assert {read(text) for text in [*spelt, f"{seconds}000", moment.isoformat().replace("+", " ")]} == {moment}


NO_MOMENTS = ["", "now", "2026-13-01", "2026-11-01T25:00", "0001-01-01T00:00:00+14:00", "١٧٩٣٤٩١٢٠٠"]


@pytest.mark.parametrize("text", NO_MOMENTS)
def test_what_is_no_moment_is_refused(text):
    assert read(text) is None


@pytest.mark.parametrize(
    ("query", "chosen"),
    [
        ({}, Choice()),
        ({"sortBy": "effort", "sortOrder": "desc"}, Choice(by="rep")),
        ({"sortBy": "lastSeen", "q": "ac"}, Choice(by=None, prefix="ac")),
        ({"sortBy": "trend", "band": "hot", "side": "rep"}, Choice(change="rise", band="hot", active="rep")),
        ({"sortBy": "trend", "sortOrder": "ASC", "owner": "sam"}, Choice(change="fall", owner="sam")),
    ],
)
def test_accounts_are_sorted_as_asked(query, chosen):
    assert parsed(AccountChoice, query).choice == chosen


@pytest.mark.parametrize("query", [{}, {"sortBy": "engagement"}, {"sortBy": "lastSeen"}])
def test_only_a_change_of_engagement_has_two_orders(query):
    with pytest.raises(Refused) as caught:
        parsed(AccountChoice, {**query, "sortOrder": "asc"})
    assert [fault.pointer for fault in caught.value.faults] == ["/sortOrder"]
