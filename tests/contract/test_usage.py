"""The month's counts: what is known to be processed is counted at least, and a count ends by itself."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from functions.adapters.redis import usage
from functions.adapters.redis.admission import COUNT_KEPT_S, count_key

MONTH = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(("counted", "known", "then"), [(None, 3, 3), (1, 3, 3), (5, 3, 5), (3, 3, 3)])
def test_a_count_is_raised_to_what_is_known_and_never_lowered(place, counted, known, then):
    if counted is not None:
        place.client.set(count_key("acme", 0, MONTH), counted)
    usage.restore(place.client, {"acme": known}, MONTH, 1)
    assert usage.counts(place.client, ["acme"], MONTH.date(), 1) == {"acme": then}


def test_a_count_that_was_raised_ends_by_itself_and_one_of_nothing_is_not_begun(place):
    usage.restore(place.client, {"acme": 3, "idle": 0}, MONTH, 1)
    assert 0 < place.client.ttl(count_key("acme", 0, MONTH)) <= COUNT_KEPT_S
    assert not place.client.exists(count_key("idle", 0, MONTH))


def test_counts_are_of_one_month_and_leave_out_who_has_none(place, monkeypatch):
    monkeypatch.setattr(usage, "MOST_AT_ONCE", 2)
    names = [f"tenant-{number}" for number in range(5)]
    usage.restore(place.client, {name: number for number, name in enumerate(names)}, MONTH, 1)
    assert usage.counts(place.client, names, MONTH.date(), 1) == {name: int(name[-1]) for name in names[1:]}
    assert usage.counts(place.client, names, date(2026, 4, 1), 1) == {}
