"""The slow lane is fair: tenants that wait get the same share of bytes, each in its own order, and nothing is lost."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events import cloudevent, keyspace
from events.entry import Done, Entry
from events.keyspace import SLOW
from functions.ingest.answer import FULL, Accepted, Declined
from functions.service.dead_letter_event import republished
from tests.contract import partition
from tests.contract.partition import OVERHEAD, Partition, outcome

#: Entries that a stream takes before the fair queue begins.
SHORT = 50
BATCH = 10
FILLER = "filler"


def carry(place: Partition, most: int = BATCH) -> list[Entry]:
    """Have a dispatcher take some of the slow lane and settle it."""
    entries = place.read("events", SLOW, most)
    assert place.settle("events", SLOW, [(entry, Done()) for entry in entries]) == len(entries)
    return entries


def overflowing(place: Partition, *tenants: str) -> None:
    """Fill the short stream, and use up what each tenant may send at its fair rate."""
    place.admit(FILLER, [1] * (SHORT + 1))
    for tenant in tenants:
        place.admit(tenant, [1])
    place.read("events", keyspace.FAST, 500)


def queued(place: Partition) -> int:
    return int(place.client.zcard(keyspace.fair_key("events", 0)))


def ids(entries: Sequence[Entry], tenant: str) -> list[int]:
    return [int(json.loads(entry.event)["id"]) for entry in entries if cloudevent.tenant_of(entry.event) == tenant]


def sizes(entries: Sequence[Entry]) -> Counter[str]:
    found: Counter[str] = Counter()
    for entry in entries:
        found[cloudevent.tenant_of(entry.event)] += len(entry.event) + OVERHEAD
    return found


def test_a_short_slow_lane_has_no_queue(place):
    place.admit("acme", [1] * (SHORT + 1))  # one is fair
    assert (queued(place), place.lane("events", SLOW).depth()) == (0, SHORT)
    place.admit("acme", [1])
    assert (queued(place), place.lane("events", SLOW).depth()) == (1, SHORT + 1)


def test_an_empty_queue_has_no_time_and_leaves_nothing_behind(place):
    overflowing(place, "acme")
    place.admit("acme", [1] * 20)
    while carry(place):
        pass
    assert not place.client.exists(*keyspace.fair_keys("events", 0))
    place.admit("acme", [1])
    assert (queued(place), place.lane("events", SLOW).depth()) == (0, 1)


LENGTHS = st.lists(st.integers(0, 3_000), min_size=1, max_size=12)
#: Two tenants send, and a dispatcher takes.
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.sampled_from(["acme", "bravo"]), LENGTHS),
        st.tuples(st.just("carry"), st.integers(1, BATCH)),
    ),
    max_size=25,
)


def both_wait(place: Partition) -> bool:
    """Whether both tenants have events in the queue, and the stream none before them."""
    waiting = place.client.hvals(keyspace.queued_key("events", 0))
    return not place.lane("events", SLOW).depth() - len(waiting) and {"acme", "bravo"} <= {
        cloudevent.tenant_of(each) for each in waiting
    }


@given(acme=LENGTHS, bravo=LENGTHS, happened=STEPS)
@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
def test_while_two_wait_both_get_the_same_bytes_each_in_its_order_and_nothing_is_lost_or_doubled(
    url, acme, bravo, happened
):
    begun = [("send", "acme", acme), ("send", "bravo", bravo), ("carry", SHORT)]
    everything = [*begun, *happened, *[("carry", 500)] * 3]
    with partition.opened(url) as place:
        overflowing(place, "acme", "bravo")
        ahead: Counter[str] = Counter()
        taken: list[Entry] = []
        gaps = [0]
        for what, *rest in everything:
            if what == "send":
                assert all(isinstance(each, Accepted) for each in place.admit(*rest))
                continue
            before = both_wait(place)
            took = carry(place, *rest)
            taken += took
            if not (before and both_wait(place)):
                ahead.clear()
                continue
            ahead.update(sizes(took))
            gaps.append(abs(ahead["acme"] - ahead["bravo"]))
        assert max(gaps) <= 2 * max(len(entry.event) + OVERHEAD for entry in taken)
        for tenant in ("acme", "bravo"):
            order = ids(taken, tenant)
            assert order == sorted(set(order))
            assert len(order) == sum(len(step[2]) for step in everything if step[1] == tenant)
        assert place.bytes() == place.counted()


def test_one_that_has_just_begun_does_not_wait_behind_what_another_has_sent(place):
    overflowing(place, "acme", "bravo")
    place.admit("acme", [100] * 500)
    carry(place, SHORT + 100)
    place.admit("bravo", [100] * 3)
    assert len(ids(carry(place), "bravo")) == 3


def test_one_whose_events_are_large_gets_the_same_bytes_and_not_the_same_number(place):
    overflowing(place, "acme", "bravo")
    place.admit("acme", [20_000] * 20)
    place.admit("bravo", [200] * 400)
    carry(place, SHORT)
    taken = sizes(carry(place, 200))
    assert taken["bravo"] > 100_000
    assert abs(taken["acme"] - taken["bravo"]) < 2 * 21_000


def test_what_is_redriven_is_its_tenants_and_delays_no_other(place):
    overflowing(place, "acme", "bravo")
    place.admit("acme", [10] * 200)
    while entries := place.read("events", SLOW, 500):
        place.settle("events", SLOW, [(entry, outcome("bury", entry)) for entry in entries])
    place.admit(FILLER, [1] * SHORT)
    assert place.dead.redrive(place.letters(), lambda letter: republished(letter, "nonce")) == 200 + SHORT
    place.admit("bravo", [10] * 20)
    carry(place, SHORT)
    taken = sizes(carry(place, 30))
    assert abs(taken["acme"] - taken["bravo"]) < 1_500
    assert place.bytes() == place.counted()


def test_what_waits_in_the_queue_counts_against_the_lanes_length(url):
    with partition.opened(url, stream_length=SHORT + 10) as place:
        decisions = place.admit("acme", [1] * (SHORT + 15))
        assert [each.why for each in decisions if isinstance(each, Declined)] == [FULL] * 4  # one is fair
        assert place.loop.run_until_complete(place.admission.depth()) == SHORT + 11


def test_large_events_are_taken_from_the_queue_a_few_at_a_time(place):
    overflowing(place, "acme")
    place.admit("acme", [900_000])
    for _ in range(8):
        place.admit("acme", [900_000])
    carry(place, SHORT)
    assert len(carry(place, 500)) < 6
    assert place.client.xlen(keyspace.stream_key("events", 0, SLOW)) <= 10


def test_a_number_without_its_event_is_passed_over(place):
    overflowing(place, "acme")
    place.admit("acme", [1, 1, 1])
    place.client.hdel(keyspace.queued_key("events", 0), "2")
    carry(place, SHORT)
    assert len(carry(place)) == 2
    assert queued(place) == 0
