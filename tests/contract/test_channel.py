"""The contract of a channel, kept on every kind of Redis and by the one in memory that unit tests use."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events import channel, keyspace
from events.channel import STEP, Channel
from events.entry import HANDED_BYTES, Bury, Done, Entry, Park
from events.errors import Unavailable
from events.keyspace import CHANNELS, GROUP
from functions.adapters.redis.identities import Generations, generations_key, identity
from tests.contract.fakes import Broker, FakeChannel
from tests.contract.partition import SERVERS
from tests.servers.parts import until

#: Far longer than any test takes.
LONG_MS = 3_600_000


class World(Protocol):
    """A place where channels are, seen from outside of them."""

    def channel(self, name: str = "events", consumer: str = "a") -> Any:
        """A consumer of a channel."""

    def publish(self, *events: bytes, name: str = "events") -> None:
        """Append events as the front door does."""

    def neglect(self, ms: int, *entries: Entry) -> None:
        """Let ``ms`` pass in which nobody does anything about these entries of ``events``."""

    def dead(self) -> list[Bury]:
        """The dead letters of ``events``."""

    def flush(self) -> None:
        """Lose everything."""


@dataclass
class Memory:
    """Channels in memory."""

    broker: Broker = field(default_factory=Broker)

    def channel(self, name: str = "events", consumer: str = "a") -> FakeChannel:
        return FakeChannel(self.broker, name, consumer)

    def publish(self, *events: bytes, name: str = "events") -> None:
        for event in events:
            self.broker.add(name, event)

    def neglect(self, ms: int, *entries: Entry) -> None:
        self.broker.now_ms += ms

    def dead(self) -> list[Bury]:
        return self.broker.streams["events"].dead

    def flush(self) -> None:
        self.broker.flush()


@dataclass
class Redis:
    """Channels on a real server, in partition 3."""

    client: Any

    def channel(self, name: str = "events", consumer: str = "a") -> Channel:
        return Channel(self.client, name, 3, consumer)

    def publish(self, *events: bytes, name: str = "events") -> None:
        for event in events:
            self.client.xadd(keyspace.stream_key(name, 3), {"event": event})

    def neglect(self, ms: int, *entries: Entry) -> None:
        began_ms = time.time_ns() // 1_000_000
        while time.time_ns() // 1_000_000 == began_ms:
            pass  # at least one of them really passes
        stream, retry = keyspace.stream_key("events", 3), keyspace.retry_key("events", 3)
        for id_, due in self.client.zrange(retry, 0, -1, withscores=True):
            self.client.zadd(retry, {id_: due - ms})  # what waits is that much nearer
        for entry in entries:
            if entry.lease_ms:
                continue
            (held,) = self.client.xpending_range(stream, GROUP, entry.id, entry.id, 1)
            self.client.xclaim(stream, GROUP, held["consumer"], 0, [entry.id], idle=ms, justid=True)

    def dead(self) -> list[Bury]:
        return [
            Bury(
                event=fields[b"event"],
                reason=fields[b"reason"].decode(),
                status=int(fields[b"status"]),
                tenant=fields[b"tenant"].decode(),
                attempts=int(fields[b"attempts"]),
                first_ms=int(fields[b"first"]),
                last_ms=int(fields[b"last"]),
                event_id=fields[b"event_id"].decode(),
            )
            for _, fields in self.client.xrange(keyspace.dead_key("events", 3))
        ]

    def flush(self) -> None:
        self.client.flushall()


@contextmanager
def connected(request: pytest.FixtureRequest, server: str) -> Iterator[redis.Redis]:
    """A client of one of :data:`SERVERS`, which is empty."""
    with closing(channel.connect(request.getfixturevalue(SERVERS[server]))) as client:
        client.flushall()
        yield client


@pytest.fixture(params=SERVERS)
def real(request: pytest.FixtureRequest) -> Iterator[redis.Redis]:
    with connected(request, request.param) as client:
        yield client


@pytest.fixture(params=["memory", *SERVERS])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param == "memory":
        yield Memory()
        return
    with connected(request, request.param) as client:
        yield Redis(client)


@pytest.fixture
def events(world: World) -> Any:
    """The channel ``events`` with its group."""
    ensured = world.channel()
    ensured.ensure()
    return ensured


def read(of: Any, count: int = 500) -> list[Entry]:
    found: list[Entry] = of.read(count, 1)
    return found


def texts(entries: list[Entry]) -> list[bytes]:
    return [entry.event for entry in entries]


def waiting(world: World, name: str) -> list[bytes]:
    """What a channel holds for its consumer, taken away from it."""
    other = world.channel(name, "observer")
    other.ensure()
    return texts(read(other))


# --- reading


def test_events_published_before_there_was_a_group_are_read(world):
    world.publish(b"1", b"2")
    consumer = world.channel()
    consumer.ensure()
    assert texts(read(consumer)) == [b"1", b"2"]


def test_making_sure_again_changes_nothing(world, events):
    world.publish(b"1", b"2")
    read(events, 1)
    events.ensure()
    assert texts(read(events)) == [b"2"]


def test_a_channel_nobody_made_sure_of_is_unavailable(world):
    with pytest.raises(Unavailable):
        read(world.channel())


def test_events_are_read_once_in_order_and_a_batch_at_a_time(world, events):
    world.publish(b"1", b"2", b"3")
    assert [texts(read(events, 2)), texts(read(events, 2)), read(events, 2)] == [[b"1", b"2"], [b"3"], []]


def test_two_consumers_share_the_events(world, events):
    world.publish(b"1", b"2")
    other = world.channel(consumer="b")
    assert (texts(read(events, 1)), texts(read(other, 5)), read(events)) == ([b"1"], [b"2"], [])


def test_a_first_delivery_has_no_history(world, events):
    world.publish(b"1")
    (entry,) = read(events)
    assert (entry.attempts, entry.first_ms) == (0, 0)


# --- large events: what is handed out at once is bounded in bytes


def handed_out(look: Callable[[], list[Entry]]) -> list[Entry]:
    """What comes, look after look, until nothing does; each look gives a few at most."""
    entries: list[Entry] = []
    while found := look():
        sizes = [len(entry.event) for entry in found]
        assert len(sizes) == 1 or sum(sizes) <= HANDED_BYTES + (STEP * max(sizes) if min(sizes) < max(sizes) else 0)
        entries += found
    return entries


def sizes_of(entries: list[Entry]) -> list[int]:
    return [len(entry.event) for entry in entries]


#: Sizes of events: all are handed out, in order, few at a time.
LARGE = [
    [900_000] * 7,
    [10, 10, 10, *[900_000] * 20, 10],
    [3 * HANDED_BYTES, 10, 3 * HANDED_BYTES, 3 * HANDED_BYTES],
    [20_000] * 300,
]


@pytest.mark.parametrize("sizes", LARGE, ids=["large", "mixed", "larger than all", "many"])
def test_large_events_are_read_taken_over_and_retried_a_few_at_a_time(world, events, sizes):
    world.publish(*(b"x" * size for size in sizes))
    entries = handed_out(lambda: read(events))
    assert sizes_of(entries) == sizes
    world.neglect(LONG_MS, *entries)
    other = world.channel(consumer="b")
    entries = handed_out(lambda: other.claim(500, LONG_MS).entries)
    assert sizes_of(entries) == sizes
    for number, entry in enumerate(entries):
        assert other.settle([(entry, Park(number, 1, 1))]) == 1
    world.neglect(LONG_MS)
    assert sizes_of(handed_out(lambda: events.lease(500, LONG_MS).entries)) == sizes


def test_whoever_waited_for_news_gets_all_of_it_that_fits(real):
    world = Redis(real)
    waits = world.channel()
    waits.ensure()
    with ThreadPoolExecutor(1) as threads:
        for count, size, most in ((50, 10, 50), (50, 10, 1), (5, 900_000, 500)):
            waited = threads.submit(waits.read, most, 20_000)
            until(
                lambda: any("b" in each["flags"] for each in real.client_list()), within_s=10, what="a client blocks"
            )
            with real.pipeline(transaction=True) as pipeline:  # all at once, as the front door does
                for _ in range(count):
                    pipeline.xadd(keyspace.stream_key("events", 3), {"event": b"x" * size})
                pipeline.execute()
            got = len(waited.result())
            assert got == {(50, 50): 50, (50, 1): 1, (5, 500): 3}[count, most]
            handed_out(lambda: read(waits))


# --- depth


def test_the_depth_counts_what_is_delivered_and_not_settled(world, events):
    world.publish(b"1", b"2", b"3")
    first, second = read(events, 2)
    assert events.depth() == 3
    events.settle([(first, Done())])
    assert events.depth() == 2
    events.settle([(second, Park(1, 1, 1))])
    assert (events.depth(), events.parked()) == (1, 1)


def test_an_empty_channel_has_no_depth(world):
    assert (world.channel().depth(), world.channel().parked()) == (0, 0)


# --- settling


def test_what_is_done_leaves_and_its_replies_go_to_their_channels_in_order(world, events):
    world.publish(b"1", b"2")
    first, second = read(events)
    outcomes = [
        (first, Done([("signals", b"s1"), ("notices", b"n1"), ("signals", b"s2")])),
        (second, Done([("signals", b"s3")])),
    ]
    assert events.settle(outcomes) == 2
    assert (waiting(world, "signals"), waiting(world, "notices")) == ([b"s1", b"s2", b"s3"], [b"n1"])
    assert (events.depth(), events.parked(), world.dead()) == (0, 0, [])


def test_what_is_parked_waits_and_what_is_buried_is_kept_whole(world, events):
    world.publish(b"1", b"2", b"3")
    first, second, third = read(events)
    bury = Bury(b'{"error": "\xc3\xbc\\n"}', "it is wrong\nfor good", 422, "acme", 4, 1_000, 2_000, "e1")
    assert events.settle([(first, Park(500, 1, 400)), (second, bury), (third, Done())]) == 3
    assert (events.depth(), events.parked(), world.dead()) == (0, 1, [bury])


@pytest.mark.parametrize(
    "outcome",
    [Done([("signals", b"reply")]), Park(500, 1, 400), Bury(b"1", "wrong", 400, "", 1, 1, 1)],
    ids=lambda outcome: type(outcome).__name__,
)
def test_settling_twice_changes_nothing_the_second_time(world, events, outcome):
    world.publish(b"1")
    outcomes = [(entry, outcome) for entry in read(events)]
    assert [events.settle(outcomes), events.settle(outcomes)] == [1, 0]
    replies = waiting(world, "signals")
    assert len(replies) + events.parked() + len(world.dead()) == 1


def test_an_entry_twice_in_one_batch_counts_once(world, events):
    world.publish(b"1")
    (entry,) = read(events)
    assert events.settle([(entry, Done([("signals", b"s")])), (entry, Done([("signals", b"s")]))]) == 1
    assert waiting(world, "signals") == [b"s"]


def test_what_nobody_has_taken_cannot_be_settled(world, events):
    world.publish(b"1")
    assert events.settle([(Entry("1-1", b"1"), Bury(b"1", "wrong", 400, "", 1, 1, 1))]) == 0
    assert (events.depth(), world.dead(), texts(read(events))) == (1, [], [b"1"])


def test_settling_a_part_leaves_the_rest_to_be_claimed(world, events):
    world.publish(b"1", b"2", b"3")
    entries = read(events)
    events.settle([(entries[1], Done())])
    assert texts(world.channel(consumer="b").claim(10, 0).entries) == [b"1", b"3"]


def test_settling_nothing_is_nothing(world, events):
    assert events.settle([]) == 0


def test_a_channel_gets_no_replies_from_itself(world, events):
    world.publish(b"1")
    with pytest.raises(KeyError):
        events.settle([(entry, Done([("events", b"again")])) for entry in read(events)])


@pytest.mark.parametrize("name", CHANNELS)
def test_every_channel_is_read_and_settled_alike(world, name):
    world.publish(b"1", name=name)
    consumer = world.channel(name)
    consumer.ensure()
    others = [other for other in CHANNELS if other != name]
    assert consumer.settle([(entry, Done([(other, b"r") for other in others])) for entry in read(consumer)]) == 1
    assert [waiting(world, other) for other in others] == [[b"r"], [b"r"]]


def test_five_hundred_entries_are_settled_at_once(world, events):
    world.publish(*(b"%d" % number for number in range(501)))
    entries = read(events)
    assert len(entries) == 500
    assert events.settle([(entry, Done([("signals", entry.event)])) for entry in entries]) == 500
    assert (events.depth(), waiting(world, "signals")) == (1, texts(entries))


# --- taking over


def test_only_what_was_left_alone_long_enough_is_taken_over(world, events):
    world.publish(b"1")
    entries = read(events)
    other = world.channel(consumer="b")
    assert other.claim(10, LONG_MS).entries == []
    world.neglect(LONG_MS, *entries)
    assert other.claim(10, LONG_MS).entries == [entry._replace(handed=2) for entry in entries]


def test_what_was_taken_over_is_not_idle_any_more(world, events):
    world.publish(b"1")
    world.neglect(LONG_MS, *read(events))
    assert len(world.channel(consumer="b").claim(10, LONG_MS).entries) == 1
    assert world.channel(consumer="c").claim(10, LONG_MS).entries == []


def test_as_many_are_taken_over_as_were_asked_for_the_oldest_first(world, events):
    world.publish(b"1", b"2", b"3")
    world.neglect(LONG_MS, *read(events))
    assert texts(world.channel(consumer="b").claim(2, LONG_MS).entries) == [b"1", b"2"]


def test_what_is_settled_or_undelivered_is_not_taken_over(world, events):
    world.publish(b"1", b"2")
    events.settle([(entry, Done()) for entry in read(events, 1)])
    assert world.channel(consumer="b").claim(10, 0).entries == []


def test_after_a_takeover_whoever_settles_first_counts(world, events):
    world.publish(b"1")
    before = read(events)
    other = world.channel(consumer="b")
    after = other.claim(10, 0).entries
    assert texts(after) == texts(before)
    assert other.settle([(entry, Done([("signals", b"from b")])) for entry in after]) == 1
    assert events.settle([(entry, Done([("signals", b"from a")])) for entry in before]) == 0
    assert waiting(world, "signals") == [b"from b"]


def test_how_often_an_entry_was_handed_out_is_known(world, events):
    world.publish(b"1")
    read(events)
    handed = [world.channel(consumer=name).claim(10, 0).entries[0].handed for name in "bcd"]
    assert handed == [2, 3, 4]


# --- giving back


def test_what_is_given_back_can_be_taken_at_once_and_that_time_does_not_count(world, events):
    world.publish(b"1", b"2")
    entries = read(events)
    assert events.nack(entries, LONG_MS) == 2
    assert events.depth() == 2
    assert world.channel(consumer="b").claim(10, LONG_MS).entries == entries


def test_only_its_holder_can_give_an_entry_back(world, events):
    world.publish(b"1", b"2")
    first, second = read(events)
    events.settle([(second, Done())])
    world.neglect(LONG_MS, first)
    other = world.channel(consumer="b")
    other.claim(10, LONG_MS)
    assert events.nack([first, second], LONG_MS) == 0
    assert world.channel(consumer="c").claim(10, LONG_MS).entries == []


# --- retries


def parked(world: World, of: Any, *waits: int, attempts: int = 1, first_ms: int = 1) -> None:
    """Publish an event for each wait and park it."""
    world.publish(*(b"%d" % wait for wait in waits))
    of.settle([(entry, Park(wait, attempts, first_ms)) for entry, wait in zip(read(of), waits, strict=True)])


def test_a_retry_comes_back_when_it_is_due_and_not_before(world, events):
    parked(world, events, LONG_MS * 2, LONG_MS)
    assert events.lease(10, LONG_MS).entries == []
    world.neglect(LONG_MS)
    assert texts(events.lease(10, LONG_MS).entries) == [b"%d" % LONG_MS]
    assert (events.depth(), events.parked()) == (0, 2)


def test_a_retry_keeps_its_id_its_attempts_and_when_the_first_was(world, events):
    world.publish(b"1")
    (before,) = read(events)
    events.settle([(before, Park(0, 3, 1_700_000_000_123))])
    (entry,) = events.lease(10, LONG_MS).entries
    assert (entry.id, entry.event, entry.attempts, entry.first_ms, entry.handed) == (
        before.id,
        b"1",
        3,
        1_700_000_000_123,
        1,
    )


def test_as_many_retries_come_back_as_were_asked_for_the_longest_due_first(world, events):
    parked(world, events, 30, 10, 20)
    world.neglect(LONG_MS)
    assert texts(events.lease(2, LONG_MS).entries) == [b"10", b"20"]
    assert texts(events.lease(2, LONG_MS).entries) == [b"30"]


def test_a_leased_retry_is_nobody_elses_until_the_lease_ends(world, events):
    parked(world, events, 0)
    (first,) = events.lease(10, LONG_MS).entries
    other = world.channel(consumer="b")
    assert other.lease(10, LONG_MS).entries == []
    world.neglect(LONG_MS)
    (second,) = other.lease(10, LONG_MS).entries
    assert (first.handed, second.handed) == (1, 2)


@pytest.mark.parametrize(
    ("outcome", "left"),
    [
        (Done([("signals", b"s")]), (0, [b"s"], 0)),
        (Park(5, 2, 1), (1, [], 0)),
        (Bury(b"1", "wrong", 400, "", 2, 1, 1), (0, [], 1)),
    ],
    ids=["done", "parked again", "buried"],
)
def test_a_retry_is_settled_once_by_whoever_holds_its_lease(world, events, outcome, left):
    parked(world, events, 0)
    late = events.lease(10, LONG_MS).entries
    world.neglect(LONG_MS)
    held = world.channel(consumer="b").lease(10, LONG_MS * 2).entries
    assert [events.settle([(entry, outcome) for entry in entries]) for entries in (late, held, held)] == [0, 1, 0]
    assert (events.parked(), waiting(world, "signals"), len(world.dead())) == left


def test_a_retry_given_back_is_due_at_once_and_that_time_does_not_count(world, events):
    parked(world, events, 0)
    before = events.lease(10, LONG_MS).entries
    assert events.nack(before, LONG_MS) == 1
    world.neglect(1)
    (after,) = world.channel(consumer="b").lease(10, LONG_MS).entries
    assert after.handed == 1
    assert events.nack(before, LONG_MS) == 0


def test_equal_events_are_parked_each_for_itself(world, events):
    parked(world, events, 0, 0)
    assert (events.parked(), texts(events.lease(10, LONG_MS).entries)) == (2, [b"0", b"0"])


EVENTS = st.binary(max_size=60) | st.text(max_size=40).map(
    lambda text: json.dumps(text, ensure_ascii=False).encode(errors="replace")
)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        EVENTS | st.sampled_from([b"\n", b"1\n2\n3\n", b"1-0\n1\n1\n{}", b"a\0b", "ü\u2028".encode()]), min_size=1
    )
)
def test_every_byte_of_an_event_survives_the_stream_the_retry_and_the_grave(world, sent):
    world.flush()
    consumer = world.channel()
    consumer.ensure()
    world.publish(*sent)
    entries = read(consumer)
    assert texts(entries) == sent
    consumer.settle([(entry, Park(number, 1, 1)) for number, entry in enumerate(entries)])
    world.neglect(LONG_MS)
    again = consumer.lease(500, LONG_MS).entries
    assert texts(again) == sent
    consumer.settle([(entry, Bury(entry.event, "", 0, "", 1, 1, 1)) for entry in again])
    assert [letter.event for letter in world.dead()] == sent


# --- losing everything


def test_a_channel_that_lost_everything_is_unavailable_until_it_is_made_sure_of_again(world, events):
    world.publish(b"1")
    entries = read(events)
    world.flush()
    attempts: list[Callable[[], object]] = [
        lambda: read(events),
        lambda: events.claim(10, 0),
        lambda: events.settle([(entry, Done([("signals", b"s")])) for entry in entries]),
    ]
    for attempt in attempts:
        with pytest.raises(Unavailable):
            attempt()
    events.ensure()
    world.publish(b"2")
    assert (texts(read(events)), waiting(world, "signals")) == ([b"2"], [])


# --- what only a server can do


def test_a_server_that_forgot_the_scripts_is_told_them_again(real):
    world = Redis(real)
    events = world.channel()
    events.ensure()
    world.publish(b"1", b"2")
    for entry in read(events):
        real.script_flush()
        assert events.settle([(entry, Park(0, 1, 1))]) == 1
        real.script_flush()
        assert len(events.lease(1, LONG_MS).entries) == 1


def test_a_key_of_another_kind_is_a_bug_and_nothing_is_settled(real):
    world = Redis(real)
    events = world.channel()
    events.ensure()
    world.publish(b"1")
    entries = read(events)
    real.set(keyspace.stream_key("notices", 3), "not a stream")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        events.settle([(entry, Done([("signals", b"s")])) for entry in entries])
    assert (events.depth(), waiting(world, "signals")) == (1, [])


def test_an_entry_deleted_under_its_reader_is_not_taken_over(real):
    world = Redis(real)
    events = world.channel()
    events.ensure()
    world.publish(b"1", b"2")
    first, _ = read(events)
    real.xdel(keyspace.stream_key("events", 3), first.id)
    found = world.channel(consumer="b").claim(10, 0)
    assert (texts(found.entries), found.vanished) == ([b"2"], 1)
    assert world.channel(consumer="c").claim(10, 0).vanished == 0


def test_a_retry_whose_event_is_gone_is_dropped_and_counted(real):
    world = Redis(real)
    events = world.channel()
    events.ensure()
    parked(world, events, 0, 1)
    world.neglect(LONG_MS)
    real.hdel(keyspace.parked_key("events", 3), real.zrange(keyspace.retry_key("events", 3), 0, 0)[0])
    found = events.lease(10, LONG_MS)
    assert (texts(found.entries), found.vanished, events.parked()) == ([b"1"], 1, 1)


def test_an_entry_that_is_not_ours_is_kept_whole(real):
    world = Redis(real)
    events = world.channel()
    events.ensure()
    real.xadd(keyspace.stream_key("events", 3), {"what": "is this"})
    (entry,) = read(events)
    assert b"is this" in entry.event


def test_looking_for_abandoned_entries_goes_on_behind_those_that_are_held(real):
    world = Redis(real)
    events = world.channel()
    events.ensure()
    world.publish(*(b"%d" % number for number in range(30)))
    last = read(events)[-1]
    world.neglect(LONG_MS, last)
    other = world.channel(consumer="b")
    looks = [texts(other.claim(1, LONG_MS).entries) for _ in range(3)]  # each looks at ten
    assert looks == [[], [], [b"29"]]


def test_a_consumer_that_is_long_gone_and_holds_nothing_is_forgotten(real, monkeypatch):
    world = Redis(real)
    holding, gone = world.channel(consumer="holding"), world.channel(consumer="gone")
    holding.ensure()
    world.publish(b"1")
    read(holding)
    read(gone)
    monkeypatch.setattr(channel, "CONSUMER_GONE_MS", -1)
    world.channel(consumer="new").ensure()
    names = [one["name"] for one in real.xinfo_consumers(keyspace.stream_key("events", 3), GROUP)]
    assert names == [b"holding"]


def test_entries_that_the_group_has_passed_and_nobody_holds_are_delivered_again(real):
    world, stream = Redis(real), keyspace.stream_key("events", 3)
    events = world.channel()
    events.ensure()
    world.publish(b"1", b"2", b"3")
    held = read(events, 1)
    assert not events.ensure()
    real.xgroup_setid(stream, GROUP, real.xinfo_stream(stream)["last-generated-id"])  # as a load that lost the reads
    assert read(events) == []
    assert events.ensure()
    assert texts(read(events)) == [b"1", b"2", b"3"]
    assert not events.ensure()
    assert events.settle([(held[0], Done())]) == 1


def test_an_operator_can_have_everything_buried(real):
    events = Redis(real).channel()
    assert not events.breaker_overridden()
    real.set(keyspace.bury_key("events"), "1")
    assert events.breaker_overridden()


@pytest.mark.parametrize("lane", keyspace.LANES)
def test_what_an_event_leads_to_stays_in_its_lane(real, lane):
    real.xadd(keyspace.stream_key("events", 3, lane), {"event": b"1"})
    events, signals = (Channel(real, name, 3, "a", lane) for name in ("events", "signals"))
    events.ensure()
    signals.ensure()
    (entry,) = read(events)
    events.settle([(entry, Done([("signals", b"s")]))])
    assert texts(read(signals)) == [b"s"]
    assert (events.depth(), signals.depth()) == (0, 1)


def test_a_full_server_takes_nothing_in_and_can_be_drained(real):
    world = Redis(real)
    events = world.channel()
    events.ensure()
    world.publish(b"1", b"2")
    first, second = read(events)
    real.config_set("maxmemory", "1")
    try:
        with pytest.raises(redis.exceptions.OutOfMemoryError):
            world.publish(b"3")
        world.channel().ensure()  # a dispatcher that starts now can drain it
        world.channel("notices").ensure()
        outcomes: list[tuple[Entry, Done | Park]] = [(first, Done([("signals", b"s")])), (second, Park(0, 1, 1))]
        assert (events.settle(outcomes), texts(events.lease(10, LONG_MS).entries)) == (2, [b"2"])
    finally:
        real.config_set("maxmemory", "0")
    assert waiting(world, "signals") == [b"s"]


def test_a_server_that_only_reads_is_unavailable_until_it_writes_again(redis_url):
    with channel.connect(redis_url) as client:
        world = Redis(client)
        events = world.channel()
        events.ensure()
        world.publish(b"1")
        entries = read(events)
        client.execute_command("REPLICAOF", "127.0.0.1", "1")
        try:
            for attempt in (events.ensure, lambda: read(events), lambda: events.settle([(entries[0], Done())])):
                with pytest.raises(Unavailable):
                    attempt()
        finally:
            client.execute_command("REPLICAOF", "NO", "ONE")
        assert events.settle([(entry, Done()) for entry in entries]) == 1


@pytest.mark.parametrize("server", ["redis", "valkey"])
@pytest.mark.parametrize(
    "does",
    [
        ["REPLICAOF", "127.0.0.1", "1"],
        ["FLUSHALL"],
        ["DEL", keyspace.stream_key("events", 3)],
        ["XGROUP", "DESTROY", keyspace.stream_key("events", 3), GROUP],
    ],
    ids=lambda does: does[0],
)
def test_whoever_waits_for_news_hears_that_the_server_cannot_have_any(request, server, does):
    with connected(request, server) as client, ThreadPoolExecutor(1) as threads:
        events = Redis(client).channel()
        events.ensure()
        waited = threads.submit(events.read, 500, 10_000)
        until(lambda: any("b" in each["flags"] for each in client.client_list()), within_s=10, what="a client blocks")
        client.execute_command(*does)
        try:
            with pytest.raises(Unavailable):
                waited.result()
        finally:
            client.execute_command("REPLICAOF", "NO", "ONE")
        events.ensure()
        assert read(events) == []


def test_all_keys_of_a_partition_share_a_hash_tag_and_no_two_are_one():
    per_lane = (keyspace.stream_key, keyspace.retry_key, keyspace.parked_key)
    keys = [key(name, 7, lane) for name in CHANNELS for lane in keyspace.LANES for key in per_lane]
    keys += [
        key(name, 7)
        for name in CHANNELS
        for key in (keyspace.dead_key, keyspace.edited_key, keyspace.buried_key, keyspace.behind_key)
    ]
    keys += [keyspace.bytes_key(7), *(key for name in CHANNELS for key in keyspace.fair_keys(name, 7))]
    keys += [generations_key(7), *Generations(7, b"2:64:9 1:64:0").buckets_of(identity("acme", "1"))]
    assert len(set(keys)) == len(keys)
    assert {key[key.index("{") : key.index("}") + 1] for key in keys} == {"{7}"}


@given(st.text(max_size=30), st.integers(1, 64))
def test_a_tenant_lives_in_one_partition_for_ever(tenant, partitions):
    assert 0 <= keyspace.partition_of(tenant, partitions) < partitions
    assert keyspace.partition_of("acme", 64) == 62
