"""Bytes that wait are counted exactly, whatever happens, and one tenant's take up no more than its share."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events import channel, keyspace
from events.errors import Refused
from functions.adapters.redis import partitions
from functions.ingest.answer import FULL, LETTERS, SHARE, Accepted, Declined
from functions.service.dead_letter_event import republished
from tests.contract import partition
from tests.contract.partition import OVERHEAD, Partition, outcome, reply

TENANTS = ("acme", "bravo", "")
LANES = tuple(product(("events", "signals"), keyspace.LANES))


def steps() -> st.SearchStrategy[list[tuple[object, ...]]]:
    """Everything that may happen in a partition, in any order."""
    lane = st.sampled_from(LANES)
    verbs = st.lists(st.sampled_from(["done", "park", "bury"]), min_size=1, max_size=4)
    few = st.integers(0, 5)
    return st.lists(
        st.one_of(
            st.tuples(
                st.just("admit"), st.sampled_from(TENANTS[:2]), st.lists(st.integers(0, 500), min_size=1, max_size=4)
            ),
            st.tuples(st.just("read"), lane, st.integers(1, 5)),
            st.tuples(st.just("settle"), lane, verbs, st.sampled_from(TENANTS)),
            st.tuples(st.just("release"), lane),
            st.tuples(st.just("publish"), lane, st.sampled_from(TENANTS)),
            st.tuples(st.sampled_from(["redrive", "purge", "edit"]), few, st.integers(0, 500)),
        ),
        max_size=25,
    )


def take(place: Partition, step: Sequence[object]) -> None:
    """Let one of :func:`steps` happen."""
    match step:
        case ("admit", str(tenant), list(sizes)):
            assert all(isinstance(each, Accepted) for each in place.admit(tenant, sizes))
        case ("read", (str(name), str(lane)), int(most)):
            place.read(name, lane, most)
        case ("settle", (str(name), str(lane)), list(verbs), str(tenant)):
            hand = place.held.get((name, lane), [])
            replies = [("signals", reply(tenant, 1)), ("notices", reply(tenant, 2))] if name == "events" else []
            place.settle(name, lane, [(e, outcome(verb, e, replies)) for e, verb in zip(hand, verbs, strict=False)])
        case ("release", (str(name), str(lane))):
            place.release(name, lane)
        case ("publish", (str(name), str(lane)), str(tenant)):
            place.lane(name, lane).publish(reply(tenant, 3))
        case (str(what), int(nth), int(size)):
            look_after(place, what, nth, size)


def look_after(place: Partition, what: str, nth: int, size: int) -> None:
    """Do something about two dead letters, if there are any."""
    for letter in place.letters()[nth : nth + 2]:
        if what == "edit":
            place.edit(letter, size)
        elif what == "purge":
            assert place.dead.purge([letter, letter]) == 1
        else:
            assert place.dead.redrive([letter, letter], lambda letter: republished(letter, "nonce")) == 1


@given(happened=steps(), ids_bytes=st.sampled_from([channel.UNBOUNDED, 2_000]))
@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_bytes_that_are_counted_are_those_that_are_there(url, happened, ids_bytes):
    with partition.opened(url) as place:
        place.ids_bytes = ids_bytes
        place.admit("acme", [1] * 50)  # the slow lane's stream is not short any more: the fair queue is in use
        for step in happened:
            take(place, step)
            assert place.bytes() == place.counted()


def test_what_is_drained_leaves_no_count_behind(place):
    place.admit("acme", [10, 20, 30])
    for name, lane in product(keyspace.CHANNELS, keyspace.LANES):
        entries = place.read(name, lane, 10)
        replies = [("signals", reply("acme", 1)), ("notices", reply("acme", 2))] if name == "events" else []
        place.settle(name, lane, [(entry, outcome("done", entry, replies)) for entry in entries])
    assert not place.client.exists(keyspace.bytes_key(0))


def test_what_waited_before_bytes_were_counted_leaves_without_a_debt(place):
    place.admit("acme", [10, 10])
    place.client.delete(keyspace.bytes_key(0))
    place.admit("acme", [500])
    for lane in keyspace.LANES:
        entries = place.read("events", lane, 2)
        place.settle("events", lane, [(entry, outcome("done", entry)) for entry in entries])
    assert min(place.bytes().values(), default=0) >= 0
    for entry in place.read("events", keyspace.SLOW, 2):
        place.settle("events", keyspace.SLOW, [(entry, outcome("done", entry))])
    assert place.bytes() == {}


@pytest.mark.parametrize("end", ["redrive", "purge"])
def test_an_edited_dead_letter_counts_with_both_of_its_events_until_it_leaves(place, end):
    place.admit("acme", [100])
    place.settle("events", keyspace.FAST, [(e, outcome("bury", e)) for e in place.read("events", keyspace.FAST, 1)])
    for size in (50, 5_000, 5):
        place.edit(place.letters()[0], size)
        assert place.bytes() == place.counted()
        assert len(place.bytes()) == 3
    look_after(place, end, 0, 0)
    assert place.bytes() == place.counted()
    assert place.bytes().keys() == ({"acme", ":events"} if end == "redrive" else set())


def test_bytes_of_entries_that_were_deleted_by_hand_are_forgotten_once_nothing_waits(place):
    place.admit("acme", [10, 10])
    place.client.delete(keyspace.stream_key("events", 0, keyspace.SLOW))
    place.read("events", keyspace.FAST, 1)
    assert partitions.forget_bytes(place.client, 1) == 0
    place.settle("events", keyspace.FAST, [(e, outcome("park", e)) for e in place.held["events", keyspace.FAST]])
    assert partitions.forget_bytes(place.client, 1) == 0
    [retry] = place.read("events", keyspace.FAST, 1)
    place.settle("events", keyspace.FAST, [(retry, outcome("done", retry))])
    assert place.bytes()
    assert partitions.forget_bytes(place.client, 1) == 1
    assert place.bytes() == {}
    assert partitions.forget_bytes(place.client, 1) == 0


def test_dead_letters_stay_counted_when_the_rest_is_forgotten(place):
    for tenant in ("acme", "bravo"):
        place.admit(tenant, [10, 10])
        for entry in place.read("events", keyspace.FAST, 1):
            place.settle("events", keyspace.FAST, [(entry, outcome("bury", entry))])
    assert partitions.forget_bytes(place.client, 1) == 0
    place.client.delete(keyspace.stream_key("events", 0, keyspace.SLOW))
    assert partitions.forget_bytes(place.client, 1) == 1
    assert place.bytes() == place.counted()
    assert partitions.forget_bytes(place.client, 1) == 0
    place.client.delete(keyspace.dead_key("events", 0))
    assert partitions.forget_bytes(place.client, 1) == 1
    assert place.bytes() == {}


# --- a tenant's share

LIMIT = 100_000


def refusals(decisions: Sequence[object]) -> list[Refused]:
    return [decision.why for decision in decisions if isinstance(decision, Declined)]


def fill(place: Partition, tenant: str) -> list[Refused]:
    """Send until no more is taken; return what the refused events were refused for."""
    while not (why := refusals(place.admit(tenant, [500] * 20))):
        pass
    return why


def test_one_tenant_takes_half_two_a_third_each_and_there_is_always_room_for_another(url):
    with partition.opened(url, waiting_bytes=LIMIT) as place:
        assert set(fill(place, "acme")) == {SHARE}
        alone = place.bytes()["acme"]
        assert LIMIT * 0.47 < alone < LIMIT * 0.51  # the last one may end above it
        fill(place, "bravo")
        while place.bytes()["acme"] > LIMIT / 3:  # what it has above its share is carried
            lane = keyspace.SLOW if place.lane("events", keyspace.FAST).depth() == 0 else keyspace.FAST
            entries = place.read("events", lane, 1)
            place.settle("events", lane, [(entry, outcome("done", entry)) for entry in entries])
            fill(place, "bravo")
            fill(place, "acme")
        shares = {name: place.bytes()[name] / LIMIT for name in ("acme", "bravo")}
        assert all(0.3 < share <= 0.345 for share in shares.values()), shares
        assert not refusals(place.admit("charlie", [500] * 10))


def test_a_tenant_whose_share_is_taken_up_by_dead_letters_is_told_so(url):
    with partition.opened(url, waiting_bytes=LIMIT) as place:
        fill(place, "acme")
        for lane in keyspace.LANES:
            entries = place.read("events", lane, 500)
            place.settle("events", lane, [(entry, outcome("bury", entry)) for entry in entries])
        assert set(refusals(place.admit("acme", [500]))) == {LETTERS}
        assert place.dead.purge(place.letters()) > 0
        assert not refusals(place.admit("acme", [500]))


def test_a_stream_that_is_too_long_is_full_whatever_its_bytes(url):
    with partition.opened(url, stream_length=3, fair=None) as place:
        assert refusals(place.admit("acme", [1] * 5)) == [FULL] * 2


def test_a_batch_counts_its_own_events(url):
    with partition.opened(url, waiting_bytes=10_000) as place:
        decisions = place.admit("acme", [1_000] * 10)
        taken = sum(isinstance(decision, Accepted) for decision in decisions)
        assert taken == 3
        assert place.bytes()["acme"] == place.bytes()[":events"] <= 5_000
        assert place.bytes()["acme"] > taken * (1_000 + OVERHEAD)
