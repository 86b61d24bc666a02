"""Dead letters on a real server: found, edited, moved whole or not at all, watched."""

from __future__ import annotations

import json
import threading
import tracemalloc
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import count
from types import SimpleNamespace
from typing import Any, cast

import hypothesis
import pytest
import redis
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from events import channel, deadletter
from events.channel import Channel
from events.cloudevent import event_id
from events.deadletter import CHUNK, MANY, OVERDUE_MS, DeadLetters, Letter, Place, Waiting
from events.delivery import Delivered
from events.entry import Bury
from events.errors import Refused, Unavailable
from events.keyspace import CHANNELS, SLOW, buried_key, dead_key, edited_key, partition_of, stream_key
from events.retry import Verdict
from events.service import _dispatchers
from events.settings import DispatcherSettings
from events.subscription import SUBSCRIPTIONS
from functions.api.backends import Backends
from functions.api.dead_letters import purge_dead_letter
from functions.domain.key import EVERY_SCOPE
from functions.service import dead_letters
from functions.service.dead_letter_event import republished, with_data
from functions.service.dead_letters import Moved, Page
from functions.service.principal import OPERATOR, Principal
from functions.service.selection import Selection
from tests.servers.lanes import waiting

PARTITIONS = 4
ALL = Selection()


@dataclass
class Graveyard:
    """Dead letters as the dispatcher leaves them, and what they are moved to."""

    redis: Any
    letters: DeadLetters
    ms: Iterator[int] = field(default_factory=lambda: count(1000))
    nonces: Iterator[int] = field(default_factory=lambda: count(1))

    def bury(self, n: int, tenant: str = "acme", name: str = "events", at: str = "", **fields: Any) -> str:
        event = {"specversion": "1.0", "id": f"e{n}", "source": "/crm", "type": "demo_completed", "sspptenant": tenant}
        stamped = {**event, "data": {"n": n}, "knativeerrorcode": 422}
        written = {
            "event": json.dumps(stamped),
            "reason": "no account",
            "status": 422,
            "tenant": tenant,
            "attempts": 1,
            "first": 1000 + n,
            "last": 2000 + n,
            **fields,
        }
        partition = partition_of(tenant, PARTITIONS)
        entry = self.redis.xadd(dead_key(name, partition), written, id=at or f"{next(self.ms)}-0")
        return f"{name}:{partition}:{entry.decode()}"

    def published(self, tenant: str = "acme", name: str = "events") -> list[dict[str, Any]]:
        """What was put back for the dispatcher."""
        return waiting(self.redis, name, partition_of(tenant, PARTITIONS), SLOW)

    def left(self, wanted: Selection = ALL) -> list[str]:
        return [letter.id for letter in self.page(wanted, limit=10_000).letters]

    def page(self, wanted: Selection, *, after: str | None = None, limit: int) -> Page:
        return dead_letters.page(self.letters, OPERATOR, wanted, after=after, limit=limit)

    def get(self, id_: str, by: Principal = OPERATOR) -> Letter:
        return dead_letters.found(self.letters, by, id_)

    def redrive(self, *letters: Letter) -> int:
        """Move letters as they were read, however long ago."""
        return self.letters.redrive(letters, lambda letter: republished(letter, f"n{next(self.nonces)}"))

    def redrive_selected(self, wanted: Selection, *, after: str | None = None) -> Moved:
        return dead_letters.redrive_selected(
            self.letters, OPERATOR, wanted, lambda: f"n{next(self.nonces)}", after=after
        )

    def purge_selected(self, wanted: Selection) -> Moved:
        return dead_letters.purge_selected(self.letters, OPERATOR, wanted)

    def edits(self) -> list[bytes]:
        keys = (edited_key(name, partition) for name in CHANNELS for partition in range(PARTITIONS))
        return [event for key in keys for event in self.redis.hvals(key)]


@pytest.fixture
def yard(redis_url: str) -> Iterator[Graveyard]:
    with channel.connect(redis_url) as client:
        yield Graveyard(client, DeadLetters(client, PARTITIONS))


def ids(found: list[Letter]) -> list[str]:
    return [letter.id for letter in found]


def pages(yard: Graveyard, wanted: Selection, limit: int) -> list[list[str]]:
    """Every page there is."""
    found, after = [], None
    while True:
        page = yard.page(wanted, after=after, limit=limit)
        found.append(ids(page.letters))
        after = page.next
        if after is None:
            return found


# --- finding


@pytest.mark.parametrize("limit", [1, 3, 100])
def test_letters_of_all_streams_come_the_latest_first_page_by_page(yard, limit):
    # Tenants in several partitions, and entry ids that are the same in all channels.
    buried = [
        yard.bury(n, tenant, name, at=f"{1000 + n // 2}-{n % 2 * 4 + place}")
        for n in range(6)
        for place, tenant in enumerate(("acme", "beta", "gamma", "delta"))
        for name in CHANNELS
        if (n + len(tenant)) % 3
    ]
    assert len({partition_of(tenant, PARTITIONS) for tenant in ("acme", "beta", "gamma", "delta")}) > 1
    found = pages(yard, ALL, limit)
    flat = [id_ for page in found for id_ in page]
    assert sorted(flat) == sorted(buried)
    assert flat == sorted(buried, key=lambda id_: Place.read(id_) or Place(0, 0, "", 0), reverse=True)
    assert all(len(page) == limit for page in found[:-1])
    assert found[-1]


def test_more_letters_than_one_read_takes_are_found(yard):
    buried = [yard.bury(n) for n in range(CHUNK * 2 + 1)]
    assert [id_ for page in pages(yard, ALL, 100) for id_ in page] == buried[::-1]


def test_a_page_ends_where_what_is_wanted_ends(yard):
    yard.bury(1, status=500)
    wanted = [yard.bury(n) for n in range(2, 4)]
    page = yard.page(Selection(status=422), limit=2)
    assert (ids(page.letters), page.next) == (wanted[::-1], None)


def test_one_call_looks_at_so_many_letters_and_says_where_to_go_on(yard, monkeypatch):
    monkeypatch.setattr(dead_letters, "LOOKED_AT", 3)
    wanted = yard.bury(0, status=500)
    for n in range(1, 8):
        yard.bury(n)
    last = yard.bury(9, status=500)
    assert pages(yard, Selection(status=500), 10) == [[last], [], [wanted]]
    steps, after = [], None
    while True:
        moved = yard.redrive_selected(Selection(status=500), after=after)
        steps.append(moved.count)
        after = moved.next
        if after is None:
            break
    assert steps == [1, 0, 1]


def test_a_letter_is_read_as_it_was_buried(yard):
    letter = yard.get(yard.bury(7, first=5, last=6, status=0, attempts=4, reason="ReadTimeoutError"))
    assert (letter.tenant, letter.reason, letter.status, letter.attempts) == ("acme", "ReadTimeoutError", 0, 4)
    assert (letter.first_ms, letter.last_ms, letter.edited) == (5, 6, False)
    event = letter.event()
    assert event is not None
    assert event.data == {"n": 7}


def test_a_letter_buried_before_tenants_and_statuses_were_noted_is_the_operators(yard):
    event = '{"specversion":"1.0","id":"1","source":"/s","type":"t","sspptenant":"acme"}'
    fields = {"event": event, "reason": "x", "attempts": 1, "first": 1, "last": 2}
    yard.redis.xadd(dead_key("events", partition_of("acme", PARTITIONS)), fields)
    (letter,) = yard.page(ALL, limit=9).letters
    assert (letter.tenant, letter.status) == ("", 0)
    assert yard.left(Selection(tenant="acme")) == []


def test_another_tenants_letter_is_not_there(yard):
    id_ = yard.bury(1, "acme")
    own, other = (Principal(who=tenant, tenant=tenant, scopes=EVERY_SCOPE) for tenant in ("acme", "beta"))
    assert yard.get(id_, own).id == id_
    with pytest.raises(Refused) as refused:
        yard.get(id_, other)
    assert refused.value.status == 404


@pytest.mark.parametrize("id_", ["", "events:0:1-0", "events:99:1-0", "events:0:9999999999999999999-9", "x"])
def test_a_letter_there_is_not_is_not_found(yard, id_):
    with pytest.raises(Refused) as refused:
        yard.get(id_)
    assert refused.value.status == 404


def test_a_cursor_that_was_never_given_is_refused(yard):
    with pytest.raises(Refused) as refused:
        yard.page(ALL, after="x", limit=1)
    assert [fault.pointer for fault in refused.value.faults] == ["/cursor"]


# --- the dead letter of an event


def calls_of(client: Any) -> int:
    """How many commands the server has run that read entries of a stream."""
    stats = client.info("commandstats")
    return sum(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("xrange", "xrevrange"))


def refuse(client: Any, tenant: str) -> None:
    """Have the dispatcher deliver event e1 of ``tenant`` to a function that takes nothing."""
    settings = DispatcherSettings.read({"REDIS_URL": "redis://127.0.0.1:1", "SSPP_TARGET_URL": "http://127.0.0.1:1/"})
    (dispatcher, *_) = _dispatchers(SUBSCRIPTIONS["events"], settings, client)
    dispatcher.target = Refusing()
    dispatcher.channel.ensure()
    dispatcher.channel.publish(_raw(1, tenant))
    dispatcher.run_once(threading.Event())


def bury(lane: Channel, n: int) -> None:
    """Have event ``e<n>`` of acme buried."""
    lane.publish(_raw(n))
    letter = Bury(_raw(n), "no", 422, "acme", 1, 1, 1, event_id("acme", "/crm", f"e{n}"))
    lane.settle([(entry, letter) for entry in lane.read(10, 0)])


def _raw(n: int, tenant: str = "acme") -> bytes:
    return b'{"specversion":"1.0","id":"e%d","source":"/crm","type":"x","sspptenant":"%s"}' % (n, tenant.encode())


def test_the_dead_letter_of_an_event_is_found_without_looking_at_others(redis_url):
    with channel.connect(redis_url) as client:
        letters = DeadLetters(client, 1)
        refuse(client, "acme")
        refuse(client, "beta")
        for n in range(100, 150):
            bury(Channel(client, "events", 0, "a"), n)
        read_before = calls_of(client)
        letter = letters.of_event("acme", event_id("acme", "/crm", "e1"))
        assert calls_of(client) == read_before + 1
        assert letter is not None
        event = letter.event()
        assert event is not None
        assert (letter.tenant, event.id) == ("acme", "e1")
        assert letters.of_event("beta", event_id("acme", "/crm", "e1")) is None
        assert letters.of_event("acme", event_id("acme", "/crm", "e2")) is None


STEPS = st.lists(st.tuples(st.sampled_from(["bury", "edit", "redrive", "purge"]), st.integers(0, 1)), max_size=12)


@hypothesis.settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_the_index_of_dead_letters_names_those_there_are_and_no_others(redis_url, steps):
    with channel.connect(redis_url) as client:
        client.flushall()
        letters = DeadLetters(client, 1)
        lane = Channel(client, "events", 0, "a")
        lane.ensure()
        for step, n in steps:
            id_ = event_id("acme", "/crm", f"e{n}")
            letter = letters.of_event("acme", id_)
            if step == "bury":
                bury(lane, n)
            elif letter is not None and step == "edit":
                letters.edit(letter, with_data(letter, {"n": 1}))
            elif letter is not None and step == "redrive":
                letters.redrive([letter], lambda letter: republished(letter, "nonce"))
            elif letter is not None:
                letters.purge([letter])
        there = list(letters.scan(latest_first=True))
        indexed = [member.decode() for member in client.zrange(buried_key("events", 0), 0, -1)]
        assert sorted(indexed) == sorted(f"{letter.event_id}:{letter.place.entry}" for letter in there)
        for n in range(2):
            id_ = event_id("acme", "/crm", f"e{n}")
            latest = next((letter for letter in there if letter.event_id == id_), None)
            assert letters.of_event("acme", id_) == latest


# --- editing


def test_an_edited_letter_keeps_its_id_and_shows_its_new_event(yard):
    id_ = yard.bury(1)
    for n in (2, 3):
        letter = yard.get(id_)
        yard.letters.edit(letter, with_data(letter, {"n": n}))
    edited = yard.get(id_)
    event = edited.event()
    assert event is not None
    assert (edited.id, edited.edited, event.data) == (id_, True, {"n": 3})
    assert ids(yard.page(ALL, limit=9).letters) == [id_]


def test_a_letter_that_has_gone_cannot_be_edited(yard):
    letter = yard.get(yard.bury(1))
    yard.letters.purge([letter])
    with pytest.raises(Refused) as refused:
        yard.letters.edit(letter, letter.raw)
    assert (refused.value.status, yard.edits()) == (404, [])


# --- moving


def test_a_redriven_letter_is_in_its_channel_with_a_nonce_and_no_longer_dead(yard):
    kept, id_ = yard.bury(1), yard.bury(2, name="notices")
    assert yard.redrive(yard.get(id_)) == 1
    (event,) = yard.published(name="notices")
    assert (event["id"], event["data"], event["ssppredrive"], event["sspptenant"]) == ("e2", {"n": 2}, "n1", "acme")
    assert "knativeerrorcode" not in event
    assert (yard.left(), yard.published()) == ([kept], [])


def test_what_is_redriven_is_what_it_was_edited_to_and_nothing_of_it_stays(yard):
    letter = yard.get(yard.bury(1))
    yard.letters.edit(letter, with_data(letter, {"n": 5}))
    yard.redrive(yard.get(letter.id))
    assert [event["data"] for event in yard.published()] == [{"n": 5}]
    assert (yard.left(), yard.edits()) == ([], [])


def test_a_letter_edited_since_it_was_read_stays(yard):
    before = yard.get(yard.bury(1))
    yard.letters.edit(before, with_data(before, {"n": 5}))
    first_edit = yard.get(before.id)
    yard.letters.edit(first_edit, with_data(before, {"n": 6}))
    for stale in (before, first_edit):
        assert (yard.redrive(stale), yard.letters.purge([stale])) == (0, 0)
        with pytest.raises(Refused) as refused:
            yard.letters.edit(stale, with_data(before, {"n": 7}))
        assert refused.value.status == 409
    assert (yard.left(), yard.published()) == ([before.id], [])
    event = yard.get(before.id).event()
    assert event is not None
    assert event.data == {"n": 6}


def test_a_letter_is_purged_by_one_only_and_not_by_who_was_slower_than_a_redrive(yard):
    class Slow(DeadLetters):
        """Somebody else is faster, every time."""

        def get(self, place: Place) -> Letter | None:
            letter = super().get(place)
            assert letter is not None
            assert yard.redrive(letter) == 1
            return letter

    id_ = yard.bury(1)
    slow, own = (
        cast("Backends", SimpleNamespace(letters=letters)) for letters in (Slow(yard.redis, PARTITIONS), yard.letters)
    )
    with pytest.raises(Refused) as refused:
        purge_dead_letter(slow, OPERATOR, id_=id_)
    assert refused.value.status == 409
    assert purge_dead_letter(own, OPERATOR, id_=yard.bury(2)).model_dump() == {"purged": 1}


def test_a_letter_redriven_by_many_at_once_is_published_once(yard):
    letters = [yard.get(yard.bury(n)) for n in range(20)]
    with ThreadPoolExecutor(8) as threads:
        moved = list(threads.map(lambda _: yard.redrive(*letters), range(8)))
    assert sum(moved) == 20
    assert sorted(event["id"] for event in yard.published()) == sorted(f"e{n}" for n in range(20))


def test_what_is_wanted_is_redriven_the_first_buried_first_and_nothing_else(yard, monkeypatch):
    monkeypatch.setattr(dead_letters, "MOVED", 150)
    others = [yard.bury(1000, "acme", status=500), yard.bury(1001, "beta"), yard.bury(1002, name="signals")]
    for n in range(200):
        yard.bury(n)
    wanted = Selection(tenant="acme", channel="events", status=422)
    first = yard.redrive_selected(wanted)
    assert (first.count, first.skipped, first.remaining) == (150, 0, 50)
    assert dead_letters.count(yard.letters, OPERATOR, wanted) == 50
    second = yard.redrive_selected(wanted, after=first.next)
    assert (second.count, second.remaining, second.next) == (50, 0, None)
    assert [event["data"]["n"] for event in yard.published()] == list(range(200))
    assert len({event["ssppredrive"] for event in yard.published()}) == 200
    assert yard.left() == others[::-1]
    assert yard.redrive_selected(wanted).count == 0


def test_a_letter_that_cannot_be_read_is_skipped_by_redriving_and_can_be_purged(yard):
    broken, _ = yard.bury(1, event=b"\xff{", tenant=""), yard.bury(2, "")
    moved = yard.redrive_selected(ALL)
    assert (moved.count, moved.skipped, moved.remaining, moved.next) == (1, 1, 0, None)
    assert yard.left() == [broken]
    assert yard.purge_selected(ALL).count == 1
    assert yard.left() == []


def test_what_is_purged_is_gone_with_what_it_was_edited_to(yard):
    kept = yard.bury(0, "beta")
    letter = yard.get(yard.bury(1))
    yard.letters.edit(letter, with_data(letter, {}))
    letter = yard.get(letter.id)
    buried = [yard.get(yard.bury(n)) for n in range(2, CHUNK * 2)]
    assert yard.letters.purge([letter, *buried, buried[0]]) == CHUNK * 2 - 1
    assert yard.left() == [kept]
    assert yard.published() == []
    assert yard.edits() == []


def test_purging_by_what_is_wanted_leaves_the_rest(yard, monkeypatch):
    monkeypatch.setattr(dead_letters, "MOVED", 2)
    kept = yard.bury(9, reason="another")
    for n in range(5):
        yard.bury(n)
    moved = [yard.purge_selected(Selection(reason="ACCOUNT")) for _ in range(4)]
    assert [(step.count, step.remaining, step.next is None) for step in moved] == [
        (2, 3, False),
        (2, 1, False),
        (1, 0, True),
        (0, 0, True),
    ]
    assert yard.left() == [kept]


# --- large ones


@pytest.fixture
def large(yard: Graveyard, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of letters some of which are larger than a chunk, and all larger than what a call moves."""
    monkeypatch.setattr(deadletter, "CHUNK_BYTES", 500)
    monkeypatch.setattr(dead_letters, "MOVED_BYTES", 2000)
    buried = [yard.bury(n) for n in range(20)]
    for id_ in buried[::7]:
        letter = yard.get(id_)
        yard.letters.edit(letter, with_data(letter, "x" * 1000))
    return buried


def test_large_letters_are_all_listed_a_few_a_page(yard, large):
    found = pages(yard, ALL, 100)
    assert [id_ for page in found for id_ in page] == large[::-1]
    assert 2 < len(found) < 10


def test_large_letters_are_all_redriven_a_few_a_call(yard, large):
    counts: list[int] = []
    after = None
    while not counts or after is not None:
        moved = yard.redrive_selected(ALL, after=after)
        counts.append(moved.count)
        after = moved.next
    assert [event["id"] for event in yard.published()] == [f"e{n}" for n in range(20)]
    assert 2 < len(counts) < 10


@pytest.mark.parametrize("wanted", [ALL, Selection(reason="another")])
def test_one_call_looks_at_so_many_bytes(yard, monkeypatch, wanted):
    monkeypatch.setattr(dead_letters, "LOOKED_AT_BYTES", 5000)
    for n in range(10):
        letter = yard.get(yard.bury(n))
        yard.letters.edit(letter, with_data(letter, "x" * 1000))
    moved = yard.redrive_selected(wanted)
    assert (moved.count, moved.next is None) == (5 if wanted is ALL else 0, False)


def test_what_a_call_holds_in_memory_does_not_grow_with_the_letters(yard):
    megabyte = json.dumps({"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data": "x" * 1_000_000})
    for n in range(60):
        yard.bury(n, event=megabyte)
    tracemalloc.start()
    try:
        assert len(yard.page(ALL, limit=1).letters) == 1
        _, listing = tracemalloc.get_traced_memory()
        moved = yard.redrive_selected(ALL)
        _, moving = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (moved.count, moved.remaining > 0) == (17, True)
    assert (listing < 10_000_000, moving < 40_000_000) == (True, True), (listing, moving)


# --- what only a server can do


def test_a_full_server_can_be_redriven_and_purged_but_not_edited(yard):
    first, second = (yard.get(yard.bury(n)) for n in range(2))
    yard.redis.config_set("maxmemory", "1")
    try:
        with pytest.raises(Unavailable):
            yard.letters.edit(first, with_data(first, {}))
        assert yard.left() == [second.id, first.id]
        assert (yard.redrive(first), yard.letters.purge([second])) == (1, 1)
        assert yard.letters.watch("events", 0, 0) == (0, 0)
    finally:
        yard.redis.config_set("maxmemory", "0")
    assert len(yard.published()) == 1


def slow_stream_key(channel: str, partition: int) -> str:
    return stream_key(channel, partition, SLOW)


@pytest.mark.parametrize("key", [dead_key, edited_key, slow_stream_key])
def test_a_key_of_another_kind_is_a_bug_and_nothing_is_moved(yard, key):
    letter = yard.get(yard.bury(1))
    partition = letter.place.partition
    if key is dead_key:
        yard.redis.delete(dead_key("events", partition))
    yard.redis.set(key("events", partition), "neither a stream nor a hash")
    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        yard.redrive(letter)
    assert yard.redis.get(key("events", partition)) is not None
    if key is not dead_key:
        assert yard.redis.xlen(dead_key("events", partition)) == 1
    if key is edited_key:
        assert yard.published() == []


def test_a_server_that_forgot_the_scripts_is_told_them_again(yard):
    letter = yard.get(yard.bury(1))
    for call in (
        lambda: yard.letters.edit(letter, with_data(letter, {})),
        lambda: yard.letters.watch("events", 0, 0),
        lambda: yard.left(),
        lambda: yard.redrive(replace(letter, raw=with_data(letter, {}), edited=True)),
        lambda: yard.letters.purge([letter]),
    ):
        yard.redis.script_flush()
        call()
    assert len(yard.published()) == 1


def test_every_call_is_unavailable_while_redis_is_away():
    with channel.connect("redis://127.0.0.1:1") as client:
        letters = DeadLetters(client, 1)
        for call in (
            lambda: list(letters.scan()),
            lambda: letters.get(Place(1, 0, "events", 0)),
            lambda: letters.allow("events", 1),
            lambda: letters.watch("events", 0, 0),
        ):
            with pytest.raises(Unavailable):
                call()


def test_a_redriven_entry_is_read_as_if_it_had_never_been_tried(yard):
    letter = yard.get(yard.bury(1, attempts=4))
    yard.redrive(letter)
    consumer = Channel(yard.redis, "events", letter.place.partition, "a", SLOW)
    consumer.ensure()
    (entry,) = consumer.read(10, 1)
    assert (entry.attempts, entry.first_ms) == (0, 0)


# --- watching


@pytest.mark.parametrize(("buried", "now_ms", "age_ms"), [([], 9000, 0), ([1, 5], 9000, 6999), ([1], 0, 0)])
def test_the_age_of_the_oldest_is_told_and_published(yard, buried, now_ms, age_ms):
    for n in buried:
        yard.bury(n)
    partition = partition_of("acme", PARTITIONS)
    assert yard.letters.watch("events", partition, now_ms) == (len(buried), age_ms)
    labels = {"channel": "events", "partition": str(partition)}
    assert REGISTRY.get_sample_value("sspp_dead_letters", labels) == len(buried)
    assert REGISTRY.get_sample_value("sspp_dead_letters_oldest_seconds", labels) == age_ms / 1000


def test_the_oldest_is_as_old_as_its_entry_where_it_does_not_say(yard):
    yard.redis.xadd(dead_key("events", 0), {"event": "{}"}, id="5000-1")
    assert yard.letters.watch("events", 0, 6000) == (1, 1000)


@pytest.mark.parametrize(
    ("waiting", "loud"),
    [
        ((0, 0), False),
        ((1, OVERDUE_MS), False),
        ((1, OVERDUE_MS + 1), True),
        ((MANY - 1, 1), False),
        ((MANY, 1), True),
    ],
)
def test_many_letters_need_somebody_as_old_ones_do(waiting, loud):
    assert Waiting(*waiting).need_somebody is loud


def test_whose_letters_were_buried_lately_is_told_the_latest_of_each_partition(yard, monkeypatch):
    monkeypatch.setattr(deadletter, "RECENT", 3)
    yard.redis.xadd(dead_key("events", 0), {"event": "{}"}, id="1000-0")
    seconds, _ = yard.redis.time()
    for ago_s, tenant in ((700, "acme"), (500, "acme"), (400, "beta"), (300, "acme"), (200, "acme"), (100, "acme")):
        yard.bury(ago_s, tenant, at=f"{(seconds - ago_s) * 1000}-0")
    yard.bury(1, "gamma", name="signals", at=f"{seconds * 1000}-0")
    assert partition_of("acme", PARTITIONS) != partition_of("beta", PARTITIONS)
    found = [(tenant, round(ago_s, -1)) for tenant, ago_s in yard.letters.recent("events", 600)]
    assert sorted(found) == [("acme", 100.0), ("acme", 200.0), ("acme", 300.0), ("beta", 400.0)]
    yard.purge_selected(ALL)
    assert yard.letters.recent("events", 600) == []


def test_a_broken_deploy_stops_the_line_however_often_dispatchers_come_and_go(redis_url):
    settings = DispatcherSettings.read({"REDIS_URL": redis_url, "SSPP_TARGET_URL": "http://127.0.0.1:1/"})
    published = 0
    with channel.connect(redis_url) as client:
        for _ in range(6):
            (dispatcher, *_) = _dispatchers(SUBSCRIPTIONS["events"], settings, client)
            dispatcher.target = Refusing()
            dispatcher.channel.ensure()
            for n in range(15):
                dispatcher.channel.publish(b'{"data":1,"sspptenant":"t%d"}' % (n % 5))
                published += 1
            dispatcher.run_once(threading.Event())
        assert client.xlen(dead_key("events", 0)) == 15
        assert dispatcher.channel.depth() == published - 15


class Refusing:
    """A function that takes nothing."""

    timeout_s = 25.0

    def deliver(self, events: Sequence[bytes]) -> list[Delivered]:
        return [Delivered(Verdict(422, "no"))] * len(events)
