"""Ids that wait for a function that is away are bounded: what is above is left out, and it is noted since when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from events import cloudevent, keyspace
from events.entry import Done, Park
from events.keyspace import FAST, SLOW
from functions.adapters.redis.behind import ID_BYTES, MARGIN, BehindChannel
from tests.contract.partition import ARRIVAL, OVERHEAD, Partition, outcome, reply

SIGNAL = reply("acme", 1)
#: Three of them, and not a fourth.
BOUND = 4 * (len(SIGNAL) + OVERHEAD) - 1


@pytest.fixture
def bounded(place: Partition) -> Partition:
    place.ids_bytes = BOUND
    return place


def process(place: Partition, lane: str, replies: list[tuple[str, bytes]], verb: str = "done") -> None:
    """Have everything that waits in a lane processed."""
    while entries := place.read("events", lane, 500):
        place.settle("events", lane, [(entry, outcome(verb, entry, replies)) for entry in entries])


def behind(place: Partition, name: str = "signals") -> dict[str, Any]:
    found = place.client.hgetall(keyspace.behind_key(name, 0))
    return {field.decode(): value.decode() for field, value in found.items()}


def lengths(place: Partition) -> dict[str, int]:
    return {name: sum(place.lane(name, lane).depth() for lane in keyspace.LANES) for name in keyspace.CHANNELS}


def test_as_many_ids_wait_as_may_over_both_lanes_and_what_is_above_is_left_out(bounded):
    bounded.admit("acme", [1] * 6)  # one in the fast lane, five in the slow one
    for lane in keyspace.LANES:
        process(bounded, lane, [("signals", SIGNAL)])
    assert lengths(bounded) == {"events": 0, "signals": 3, "notices": 0}
    noted = behind(bounded)
    assert noted["left_out"] == "3"
    assert noted["since"] == cloudevent_time(ARRIVAL.now)
    assert abs(int(noted["last"]) / 1000 - datetime.now(UTC).timestamp()) < 60
    assert behind(bounded, "notices") == {}
    assert bounded.bytes() == bounded.counted()


def cloudevent_time(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def test_ids_that_wait_for_another_attempt_count(bounded):
    bounded.admit("acme", [1] * 8)
    process(bounded, SLOW, [("signals", SIGNAL)])
    bounded.settle("signals", SLOW, [(e, Park(3_600_000, 1, 1)) for e in bounded.read("signals", SLOW, 9)])
    assert (lengths(bounded)["signals"], behind(bounded)["left_out"]) == (0, "4")
    process(bounded, FAST, [("signals", SIGNAL)])
    assert behind(bounded)["left_out"] == "5"


def test_channels_are_bounded_each_for_itself(bounded):
    bounded.admit("acme", [1] * 3)
    process(bounded, SLOW, [("signals", SIGNAL), ("signals", SIGNAL), ("notices", SIGNAL)])
    assert lengths(bounded) == {"events": 1, "signals": 3, "notices": 2}
    assert (behind(bounded)["left_out"], behind(bounded, "notices")) == ("1", {})


@pytest.mark.parametrize("retried", [False, True])
def test_it_is_behind_since_the_earliest_event_was_received_however_late_it_is_delivered(bounded, retried):
    early = cloudevent.stamp(reply("acme", 7)[:-1] + b"}", ssppreceived="2020-01-02T03:04:05Z")
    bounded.admit("acme", [1] * 5)
    process(bounded, SLOW, [("signals", SIGNAL)])
    bounded.lane("events", SLOW).publish(early)
    if retried:
        process_once = bounded.read("events", SLOW, 1)
        bounded.settle("events", SLOW, [(entry, Park(0, 1, 1)) for entry in process_once])
    process(bounded, SLOW, [("signals", SIGNAL)])
    assert behind(bounded)["since"] == "2020-01-02T03:04:05Z"
    process(bounded, FAST, [("signals", SIGNAL)])
    assert behind(bounded)["since"] == "2020-01-02T03:04:05Z"


def test_events_that_functions_answer_with_are_never_left_out(bounded):
    bounded.lane("signals", FAST).publish(*[SIGNAL] * 9)
    entries = bounded.read("signals", FAST, 9)
    bounded.settle("signals", FAST, [(entry, Done([("events", SIGNAL)])) for entry in entries])
    assert lengths(bounded)["events"] == 9


def since(known: BehindChannel) -> datetime | None:
    stretch = known.stretch()
    return None if stretch is None else stretch.since


def test_what_is_made_up_for_is_noted_unless_more_was_left_out_since(bounded):
    bounded.admit("acme", [1] * 5)
    process(bounded, SLOW, [("signals", SIGNAL)])
    known = BehindChannel(bounded.client, "signals", 0)
    first = known.stretch()
    assert first is not None
    assert (first.since, first.until - datetime.now(UTC) > timedelta(minutes=4)) == (ARRIVAL.now - MARGIN, True)
    at = datetime(2021, 1, 1, tzinfo=UTC)
    assert known.caught_up(first, at)
    assert since(known) == at
    process(bounded, FAST, [("signals", SIGNAL)])
    assert not known.caught_up(first, None)
    assert since(known) == at
    again = known.stretch()
    assert again is not None
    assert known.caught_up(again, None)
    assert known.stretch() is None


def test_there_is_room_for_half_of_what_may_wait(place):
    known = BehindChannel(place.client, "signals", 0)
    assert known.room(20 * ID_BYTES) == 10
    known.publish([SIGNAL] * 5)
    assert lengths(place)["signals"] == 5
    assert known.room(20 * ID_BYTES) in {5, 6, 7}
    assert place.bytes() == place.counted()
    known.publish([SIGNAL] * 50)
    assert known.room(20 * ID_BYTES) == 0
