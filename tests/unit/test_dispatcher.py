"""The dispatcher over a channel in memory: what becomes of each event, whatever its target says or does."""

from __future__ import annotations

import json
import threading
from base64 import b64decode
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import dispatcher
from events.breaker import ASKED_MAX_S, HOLD_FIRST_S, HOLD_MAX_S, PROBE, Breaker
from events.cloudevent import parse, stamp
from events.deadletter_breaker import LEAST, DeadLetterBreaker
from events.delivery import Delivered
from events.dispatcher import WITHHELD_S, Dispatcher
from events.entry import Entry, Park
from events.errors import Unavailable
from events.log import Log
from events.requests import REQUEST_BYTES
from events.retry import NO_ANSWER, RetryPolicy, Verdict
from events.subscription import Subscription
from tests.contract.fakes import Broker, FakeChannel

OK = Delivered(Verdict(200))
NOON_MS = 1_767_268_800_000
DESTINATION = "http://process.sspp/"

#: What a target says to a batch: one answer for it, or an exception.
Says = Callable[[Sequence[bytes]], list[Delivered] | Verdict]


def event(number: int, tenant: str = "acme") -> bytes:
    attributes = {"specversion": "1.0", "id": str(number), "source": "s", "type": "t"}
    return stamp(json.dumps(attributes).encode(), sspptenant=tenant)


def everything_is_taken(events: Sequence[bytes]) -> list[Delivered] | Verdict:
    return [OK for _ in events]


@dataclass
class Target:
    """Says what it is told to say and keeps every batch it was offered."""

    says: Says = everything_is_taken
    offered: list[list[bytes]] = field(default_factory=list)
    timeout_s: float = 25.0

    def deliver(self, events: Sequence[bytes]) -> list[Delivered] | Verdict:
        self.offered.append(list(events))
        return self.says(events)


class Stopping(threading.Event):
    """Keeps how long it was waited for, in the broker's time. Whoever waits for ever is told so."""

    def __init__(self, broker: Broker) -> None:
        super().__init__()
        self.waits: list[float] = []
        self._broker = broker

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.waits.append(round(timeout, 6))
        self._broker.now_ms += round(timeout * 1000)
        assert len(self.waits) < 1000
        return self.is_set()


@dataclass
class House:
    """One dispatcher with all it works with."""

    broker: Broker = field(default_factory=lambda: Broker())
    target: Target = field(default_factory=Target)
    batch: int = 500

    def __post_init__(self) -> None:
        self.broker.now_ms = self.broker.now_ms or NOON_MS
        self.stopping = Stopping(self.broker)
        self.breaker = Breaker(lambda: self.broker.now_ms / 1000)
        self.dispatcher = self.another(self.target, "a")
        self.dispatcher.channel.ensure()

    def another(self, target: Target, consumer: str) -> Dispatcher:
        return Dispatcher(
            channel=FakeChannel(self.broker, "events", consumer),  # type: ignore[arg-type] # keeps the same contract
            target=target,
            breaker=self.breaker,
            dead_letter_breaker=DeadLetterBreaker(0.5, lambda: self.broker.now_ms / 1000),
            subscription=Subscription(channel="events", function="process", retry=RetryPolicy()),
            batch=self.batch,
            concurrency=2,
            claim_idle_ms=60_000,
            destination=DESTINATION,
            now_ms=lambda: self.broker.now_ms,
            now_s=lambda: self.broker.now_ms / 1000,
            rand=lambda: 0.0,
        )

    def publish(self, *numbers: int) -> None:
        for number in numbers:
            self.broker.add("events", event(number))

    def once(self) -> int:
        return self.dispatcher.run_once(self.stopping)

    def until_settled(self, times: int = 900) -> int:
        """Go on until something was settled; how much."""
        for _ in range(times):
            if settled := self.once():
                return settled
        raise AssertionError("nothing was ever settled")

    def park(self, number: int, attempts: int, first_ms: int) -> None:
        """Park an event that is due."""
        self.broker.add("events", event(number))
        channel = FakeChannel(self.broker, "events", "before")
        channel.settle([(entry, Park(0, attempts, first_ms)) for entry in channel.read(1, 0)])

    def pass_s(self, seconds: float) -> None:
        self.broker.now_ms += int(seconds * 1000)

    @property
    def stream(self):
        return self.broker.streams["events"]

    def left(self) -> tuple[int, int, int]:
        """How many entries are in the stream, parked and dead."""
        return len(self.stream.entries), len(self.stream.parked), len(self.stream.dead)


def house(says: Says = everything_is_taken, *numbers: int, batch: int = 500) -> House:
    found = House(target=Target(says), batch=batch)
    found.publish(*numbers)
    return found


def each(statuses: dict[bytes, int]) -> Says:
    """A target with a verdict for each event."""
    return lambda events: [Delivered(Verdict(statuses[event])) for event in events]


# --- one batch


@pytest.mark.parametrize(
    ("status", "left"),
    [
        (200, (0, 0, 0)),
        (202, (0, 0, 0)),
        (NO_ANSWER, (0, 1, 0)),
        (404, (0, 1, 0)),
        (409, (0, 1, 0)),
        (429, (0, 1, 0)),
        (500, (0, 1, 0)),
        (503, (0, 1, 0)),
        (400, (0, 0, 1)),
        (401, (0, 0, 1)),
        (422, (0, 0, 1)),
    ],
)
def test_an_event_is_done_parked_or_buried_by_its_verdict(status, left):
    here = house(each({event(1): status}), 1)
    assert here.once() == 1
    assert here.left() == left


def test_each_event_of_a_batch_gets_its_own_verdict():
    here = house(each({event(1): 200, event(2): 500, event(3): 422, event(4): 204}), 1, 2, 3, 4)
    assert here.once() == 4
    assert [entry.event for _, entry in here.stream.parked.values()] == [event(2)]
    assert [parse(letter.event).event.id for letter in here.stream.dead] == ["3"]
    assert here.target.offered == [[event(1), event(2), event(3), event(4)]]


def test_nothing_to_do_settles_nothing():
    here = house()
    assert here.once() == 0
    assert here.target.offered == []


def test_a_batch_is_as_long_as_the_subscription_says():
    here = house(everything_is_taken, *range(5), batch=2)
    assert [here.once() for _ in range(4)] == [2, 2, 1, 0]
    assert here.target.offered == [[event(0), event(1)], [event(2), event(3)], [event(4)]]


def test_replies_are_published_to_their_channels():
    def says(events: Sequence[bytes]) -> list[Delivered] | Verdict:
        return [Delivered(Verdict(200), [("signals", b"s" + e), ("notices", b"n" + e)]) for e in events]

    here = house(says, 1, 2)
    here.once()
    found = {name: [e.event for e in here.broker.streams[name].entries.values()] for name in ("signals", "notices")}
    assert found == {"signals": [b"s" + event(1), b"s" + event(2)], "notices": [b"n" + event(1), b"n" + event(2)]}


def test_an_answer_with_a_reply_for_the_events_own_channel_is_none_for_that_event():
    replies = {event(1): [("signals", b"s")], event(2): [("signals", b"t"), ("events", b"again")], event(3): []}
    here = house(lambda events: [Delivered(Verdict(200), replies[event]) for event in events], 1, 2, 3)
    here.dispatcher.run_once(here.stopping)
    ((_, entry),) = here.stream.parked.values()
    assert (entry.event, entry.attempts, here.left()) == (event(2), 1, (0, 1, 0))
    assert [entry.event for entry in here.broker.streams["signals"].entries.values()] == [b"s"]


def test_the_replies_of_what_failed_are_not_published():
    here = house(lambda events: [Delivered(Verdict(500), [("signals", b"s")]) for _ in events], 1)
    here.once()
    assert here.broker.streams["signals"].entries == {}


# --- retries


def test_an_event_that_keeps_failing_is_tried_four_times_and_then_buried():
    here = house(lambda events: [Delivered(Verdict(500, "it broke")) for _ in events], 1)
    offered = []
    for wait_s in (5, 25, 125):
        here.once()
        here.pass_s(wait_s - 0.001)
        assert here.once() == 0
        here.pass_s(0.001 + 1)  # the sweep that finds it comes once a second
        offered.append(len(here.target.offered))
    assert here.left() == (0, 1, 0)
    here.once()
    (letter,) = here.stream.dead
    assert offered == [1, 2, 3]
    assert here.target.offered == [[event(1)]] * 4
    assert (letter.attempts, letter.reason, letter.status, letter.tenant) == (4, "it broke", 500, "acme")
    assert (letter.first_ms, letter.last_ms) == (NOON_MS, here.broker.now_ms)
    assert here.left() == (0, 0, 1)


@pytest.mark.parametrize(("asked_s", "wait_s"), [(0, 5), (2, 5), (30, 30), (4000, 300)])
def test_a_function_may_ask_for_a_longer_wait(asked_s, wait_s):
    here = house(lambda events: [Delivered(Verdict(429, retry_after_s=asked_s)) for _ in events], 1)
    here.once()
    ((due_ms, entry),) = here.stream.parked.values()
    assert (due_ms - NOON_MS, entry.attempts, entry.first_ms) == (wait_s * 1000, 1, NOON_MS)


@pytest.mark.parametrize("attempts", [0, 2])
def test_an_event_that_a_function_asks_for_again_comes_back_when_it_said_and_costs_no_attempt(attempts):
    here = house(lambda _: [Delivered(Verdict(202, again_s=3600.0))])
    here.park(1, attempts=attempts, first_ms=5)
    here.pass_s(1)
    for _ in range(10):
        assert here.once() == 1
        ((due_ms, entry),) = here.stream.parked.values()
        assert (due_ms - here.broker.now_ms, entry.attempts, entry.first_ms) == (3_600_000, attempts, 5)
        here.pass_s(3601)
    here.target.says = everything_is_taken
    assert here.once() == 1
    assert here.left() == (0, 0, 0)


def test_a_retry_that_succeeds_leaves_nothing_behind():
    statuses = {event(1): 500}
    here = house(each(statuses), 1)
    here.once()
    statuses[event(1)] = 200
    here.pass_s(6)
    assert here.once() == 1
    assert here.left() == (0, 0, 0)


@pytest.mark.parametrize(("status", "code"), [(422, "422"), (NO_ANSWER, "500")])
def test_a_dead_letter_says_where_it_failed_and_why(status, code):
    here = house(lambda events: [Delivered(Verdict(status, 'no "accountId"\n')) for _ in events])
    here.park(1, attempts=3, first_ms=5)
    here.once()
    (letter,) = here.stream.dead
    dead = parse(letter.event).event
    assert letter.event.startswith(event(1)[:-1])
    assert dead.extension("knativeerrordest") == DESTINATION
    assert dead.extension("knativeerrorcode") == code
    assert dead.extension("knativeerrordata") == 'no "accountId" '
    assert (letter.reason, letter.attempts, letter.first_ms, letter.last_ms) == ('no "accountId"\n', 4, 5, NOON_MS)


# --- batches that fail as a whole


def poisoned(poison: set[bytes], status: int) -> Says:
    """A target that answers a whole batch with ``status`` while a poison event is in it."""
    return lambda events: Verdict(status, "boom") if poison & set(events) else [OK for _ in events]


@pytest.mark.parametrize("status", [500, 504, 413, 400, NO_ANSWER])
def test_a_poison_event_is_found_and_costs_no_other(status):
    here = house(poisoned({event(137)}, status), *range(500))
    assert here.once() == 500
    parked = [entry.event for _, entry in here.stream.parked.values()]
    suspects = parked + [letter.event for letter in here.stream.dead]
    assert len(suspects) == 1
    assert suspects[0].startswith(event(137)[:-1])
    assert len(here.target.offered) < 25


@given(st.sets(st.integers(0, 29), max_size=30), st.integers(1, 30))
def test_whatever_is_poison_everything_else_is_delivered_exactly_once(poison, size):
    here = house(poisoned({event(number) for number in poison}, 500), *range(size))
    assert here.once() == size
    hit = poison & set(range(size))
    taken = [e for batch in here.target.offered if not {event(n) for n in hit} & set(batch) for e in batch]
    assert sorted(taken) == sorted(event(number) for number in set(range(size)) - hit)
    assert here.left() == (0, len(hit), 0)


def test_a_batch_that_failed_whole_counts_one_attempt_for_each_event():
    here = house(lambda events: Verdict(500), 1, 2, 3)
    here.once()
    assert [entry.attempts for _, entry in here.stream.parked.values()] == [1, 1, 1]


# --- a target that is away


@dataclass
class Away:
    """Not there for the first ``times`` deliveries."""

    times: int
    retry_after_s: int = 0

    def __call__(self, events: Sequence[bytes]) -> list[Delivered] | Verdict:
        self.times -= 1
        if self.times >= 0:
            raise Unavailable("target", retry_after_s=self.retry_after_s)
        return everything_is_taken(events)


def test_a_target_that_is_away_is_asked_again_later_and_later_by_one_small_probe():
    here = house(Away(9), *range(100))
    assert here.until_settled() == PROBE
    assert here.once() == 100 - PROBE
    assert [len(batch) for batch in here.target.offered] == [100, *[PROBE] * 9, 100 - PROBE]
    assert here.stopping.waits == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, HOLD_MAX_S, HOLD_MAX_S, HOLD_MAX_S])
    assert here.left() == (0, 0, 0)


def test_while_a_target_is_away_the_events_stay_in_the_stream_and_cost_no_attempt():
    here = house(Away(1000), 1, 2)
    for _ in range(100):
        assert here.once() == 0
    assert here.left() == (2, 0, 0)
    another = FakeChannel(here.broker, "events", "b").claim(10, 60_000).entries
    assert [(entry.event, entry.attempts, entry.handed) for entry in another] == [(event(1), 0, 1), (event(2), 0, 1)]


@pytest.mark.parametrize(("asked_s", "waited_s"), [(0, 0.2), (3, 3), (3600, ASKED_MAX_S)])
def test_a_target_that_is_still_away_may_say_when_it_is_back_within_reason(asked_s, waited_s):
    here = house(Away(2, asked_s), 1)
    here.until_settled()
    assert here.stopping.waits[0] == HOLD_FIRST_S
    assert sum(here.stopping.waits[1:]) == waited_s
    assert len(here.target.offered) == 3


def test_an_outage_longer_than_every_retry_leaves_no_dead_letter():
    here = house(Away(200), 1)
    assert here.until_settled() == 1
    assert here.left() == (0, 0, 0)


def test_an_outage_is_one_line_a_second_however_many_threads_meet_it(monkeypatch, caplog):
    seconds = 5.0
    monkeypatch.setattr(dispatcher, "log", Log("dispatcher", lambda: seconds))
    for now in (5.0, 5.9, 6.0):
        seconds = now
        for _ in range(4):
            here = house(Away(1), 1)
            here.once()
    away = [record.fields for record in caplog.records if record.message == "target_away"]
    assert [line["left_out"] for line in away] == [0, 7]

    def ensure() -> bool:
        here.stopping.set()
        raise Unavailable("Redis")

    for _ in range(4):
        here = house()
        monkeypatch.setattr(here.dispatcher.channel, "ensure", ensure)
        here.dispatcher.run(here.stopping)
    assert [record.message for record in caplog.records].count("waiting") == 1


def test_a_retry_that_meets_an_outage_is_due_as_soon_as_it_is_over():
    away = Away(3)
    here = house(away)
    here.park(1, attempts=3, first_ms=5)
    assert here.until_settled() == 1
    assert here.left() == (0, 0, 0)


def test_only_one_of_many_asks_whether_the_target_is_back():
    away = Away(1)
    here = house(away, *range(10))
    other = here.another(Target(), "b")
    assert here.once() == 0
    here.pass_s(0.1)

    def says(events: Sequence[bytes]) -> list[Delivered] | Verdict:
        assert other.run_once(here.stopping) == 0
        return everything_is_taken(events)

    here.target.says = says
    asked = threading.Thread(target=here.once)
    asked.start()
    asked.join(10)
    assert here.left() == (0, 0, 0)


def test_a_probe_that_finds_nothing_to_carry_leaves_it_to_the_next():
    here = house(Away(1), 1)
    here.once()
    here.broker.streams["events"].entries.clear()
    here.broker.streams["events"].pending.clear()
    here.pass_s(1)
    assert here.once() == 0
    assert here.stopping.waits == [HOLD_FIRST_S]
    here.publish(2)
    assert here.once() == 1


def test_what_was_not_offered_before_the_stop_is_given_back():
    here = house(Away(1), 1, 2)
    away = here.target.says

    def says(events: Sequence[bytes]) -> list[Delivered] | Verdict:
        here.stopping.set()
        return away(events)

    here.target.says = says
    here.dispatcher.run(here.stopping)
    assert here.left() == (2, 0, 0)
    claimed = FakeChannel(here.broker, "events", "b").claim(10, 60_000).entries
    assert [(entry.event, entry.attempts) for entry in claimed] == [(event(1), 0), (event(2), 0)]


def test_a_stop_while_a_batch_is_split_settles_what_was_offered():
    here = house(poisoned({event(4)}, 500), 1, 2, 3, 4)
    poison = here.target.says

    def says(events: Sequence[bytes]) -> list[Delivered] | Verdict:
        if len(events) < 4:
            here.stopping.set()
        return poison(events)

    here.target.says = says
    assert here.once() == 2
    assert [entry.event for entry in here.stream.entries.values()] == [event(3), event(4)]
    assert here.left() == (2, 0, 0)


# --- dispatchers that die


def test_what_a_dead_dispatcher_left_is_taken_over_once_it_has_certainly_given_up():
    here = house(everything_is_taken, 1)
    FakeChannel(here.broker, "events", "dead").read(10, 0)
    here.pass_s(59)
    assert here.once() == 0
    here.pass_s(1)
    assert here.once() == 1
    assert here.left() == (0, 0, 0)


def test_a_dispatcher_that_comes_back_from_the_dead_changes_nothing():
    here = house()
    replies = Target(lambda events: [Delivered(Verdict(200), [("signals", b"reply")]) for _ in events])
    other = here.another(replies, "b")

    def sleeps(events: Sequence[bytes]) -> list[Delivered] | Verdict:
        here.pass_s(61)
        assert other.run_once(here.stopping) == len(events)
        return replies.says(events)

    here.target.says = sleeps
    here.publish(1, 2)
    assert here.once() == 0
    assert here.left() == (0, 0, 0)
    assert len(here.broker.streams["signals"].entries) == 2


def test_an_event_nobody_came_back_from_is_delivered_alone_and_then_counts_as_an_attempt():
    here = house(everything_is_taken, 1, 2)
    dead = FakeChannel(here.broker, "events", "dead")
    dead.read(10, 0)
    (killer, _) = dead.claim(10, 0).entries
    here.pass_s(60)
    assert here.once() == 2
    assert here.target.offered == [[event(1)], [event(2)]]

    here = house(everything_is_taken, 1)
    dead = FakeChannel(here.broker, "events", "dead")
    dead.read(10, 0)
    dead.claim(10, 0)
    dead.claim(10, 0)
    here.pass_s(60)
    assert here.once() == 1
    assert here.target.offered == []
    ((_, entry),) = here.stream.parked.values()
    assert (entry.event, entry.attempts, entry.handed) == (killer.event, 1, 0)


def test_due_retries_come_first_then_what_was_left_behind_then_what_is_new():
    here = house(everything_is_taken, 1)
    FakeChannel(here.broker, "events", "dead").read(1, 0)
    here.pass_s(60)
    here.park(3, attempts=1, first_ms=5)
    here.publish(2)
    assert [here.once() for _ in range(3)] == [1, 1, 1]
    assert here.target.offered == [[event(3)], [event(1)], [event(2)]]


def test_an_event_that_kills_its_function_ends_up_alone_though_the_function_is_away_after_each_crash():
    here = house(everything_is_taken, *range(60))
    crashes: list[int] = []
    back_ms = 0

    def crashes_on_30(events: Sequence[bytes]) -> list[Delivered] | Verdict:
        nonlocal back_ms
        if here.broker.now_ms < back_ms:
            raise Unavailable("target")
        if event(30) not in events:
            return everything_is_taken(events)
        crashes.append(len(events))
        back_ms = here.broker.now_ms + 1_000
        return Verdict(NO_ANSWER, "ProtocolError")

    here.target.says = crashes_on_30
    for _ in range(300):
        here.once()
        if here.left() == (0, 0, 1):
            break
        here.pass_s(1)
    assert here.left() == (0, 0, 1)
    assert here.stream.dead[0].attempts == 4
    assert len(crashes) <= 8


def test_only_what_was_in_the_batch_that_failed_is_suspected_of_the_outage_after_it():
    here = house(everything_is_taken, *range(8))
    crowd, other = [event(number) for number in range(4)], [event(number) for number in range(4, 8)]
    answers = {8: Verdict(500), 4: Verdict(NO_ANSWER)}

    def says(events: Sequence[bytes]) -> list[Delivered] | Verdict:
        if len(events) in answers:
            return answers[len(events)]
        raise Unavailable("target")

    here.target.says = says
    assert here.once() == 0
    entries = FakeChannel(here.broker, "events", "b").claim(10, 60_000).entries
    assert {entry.event: entry.handed for entry in entries} == {**dict.fromkeys(crowd, 2), **dict.fromkeys(other, 1)}


# --- the dead-letter breaker


def refused(poison: Callable[[bytes], bool]) -> Says:
    return lambda events: [Delivered(Verdict(400, "no")) if poison(event) else OK for event in events]


def test_when_most_of_what_comes_is_to_be_buried_nothing_is_and_the_line_waits_until_the_function_is_mended():
    here = house(refused(lambda _: True), *range(100))
    assert here.once() == 0
    assert here.left() == (100, 0, 0)
    while len(here.target.offered) == 1:
        assert here.once() == 0
    assert sum(here.stopping.waits) == WITHHELD_S
    assert here.left() == (100, 0, 0)
    here.target.says = everything_is_taken
    assert sum(here.once() for _ in range(8)) == 100
    assert here.left() == (0, 0, 0)


def test_a_few_burials_do_not_stop_the_line():
    here = house(refused(lambda e: e in {event(number) for number in range(30)}), *range(100))
    assert here.once() == 100
    assert here.left() == (0, 0, 30)


def test_fewer_verdicts_than_say_anything_do_not_stop_the_line():
    here = house(refused(lambda _: True), *range(LEAST - 1))
    assert here.once() == LEAST - 1
    assert here.left() == (0, 0, LEAST - 1)


def test_one_tenants_bad_events_do_not_stop_the_line_for_everybody():
    here = house(refused(lambda e: b"noisy" in e))
    for number in range(100):
        here.broker.add("events", event(number, "noisy"))
    for number in range(LEAST):
        here.broker.add("events", event(number))
    assert here.once() == 100 + LEAST
    assert here.left() == (0, 0, 100)


def test_an_operator_can_have_everything_buried():
    here = house(refused(lambda _: True), *range(100))
    here.dispatcher.channel.bury_all = True  # type: ignore[attr-defined] # the one in memory
    assert here.once() == 100
    assert here.left() == (0, 0, 100)


def test_without_dead_letters_what_is_given_up_is_dropped():
    here = house(refused(lambda _: True), 1)
    here.dispatcher.subscription = replace(here.dispatcher.subscription, dead_letters=False)
    assert here.once() == 1
    assert here.left() == (0, 0, 0)


def test_good_events_behind_withheld_ones_are_delivered_and_let_the_line_go_on():
    here = house(refused(lambda e: b"bad" in e))
    for number in range(600):
        here.broker.add("events", event(number, "bad"))
    here.broker.add("events", event(9999))
    while here.left() != (0, 0, 600):
        here.once()
    assert sum(here.stopping.waits) <= 12 * WITHHELD_S


def test_a_target_that_hangs_fills_no_dead_letters():
    here = house(lambda _: Verdict(NO_ANSWER, "ReadTimeoutError"), *range(1000), batch=50)
    for _ in range(900):
        here.once()
        here.pass_s(1)
    assert here.left()[2] == 0


# --- requests


class Unbounded(FakeChannel):
    """A channel that hands out as much at once as two reads, or a step, may."""

    def read(self, count: int, block_ms: int) -> list[Entry]:
        return [entry for _ in range(4) for entry in super(Unbounded, self).read(count, block_ms)]


def test_a_request_carries_no_more_bytes_than_one_should():
    here = house(everything_is_taken)
    for size in (REQUEST_BYTES // 2, 10, REQUEST_BYTES // 3, REQUEST_BYTES // 3, 2 * REQUEST_BYTES, 10):
        here.broker.add("events", event(1)[:-1] + b',"data":"' + b"x" * size + b'"}')
    here.dispatcher.channel = Unbounded(here.broker, "events", "a")  # type: ignore[assignment] # but for its bound
    assert here.once() == 6
    assert [len(batch) for batch in here.target.offered] == [3, 1, 1, 1]


@pytest.mark.parametrize(
    ("concurrency", "size", "waited"),
    [(2, 10, True), (2, REQUEST_BYTES // 2, False), (3, 10, False)],
    ids=["the last request", "no more fits", "another is free"],
)
def test_a_batch_waits_for_more_only_where_its_request_is_the_last_and_more_fits(concurrency, size, waited):
    here = house()
    here.dispatcher.concurrency = concurrency

    def says(events: Sequence[bytes]) -> list[Delivered] | Verdict:
        if events == [event(1)]:
            here.broker.add("events", event(2)[:-1] + b',"data":"' + b"x" * size + b'"}')
            assert here.once() == 1
        return everything_is_taken(events)

    here.target.says = says
    here.publish(1)
    assert here.once() == 1
    assert here.stopping.waits == ([here.dispatcher.subscription.linger_s] if waited else [])


class Quiet(FakeChannel):
    """A channel with nothing to read for a long time; tells how many wait for it."""

    def __init__(self, broker: Broker, name: str, consumer: str) -> None:
        super().__init__(broker, name, consumer)
        self.news, self.one, self.several = (threading.Event() for _ in range(3))

    def read(self, count: int, block_ms: int) -> list[Entry]:
        (self.several if self.one.is_set() else self.one).set()
        assert self.news.wait(10)
        return super().read(count, block_ms)


@contextmanager
def waiting(threads: int) -> Iterator[tuple[House, Quiet, list[Future[int]]]]:
    """So many threads of one dispatcher, one of which waits for news; they end when there are some."""
    here = house()
    channel = Quiet(here.broker, "events", "a")
    here.dispatcher.channel = channel  # type: ignore[assignment] # keeps the same contract
    with ThreadPoolExecutor(threads) as pool:
        carried = [pool.submit(here.once) for _ in range(threads)]
        assert channel.one.wait(10)
        yield here, channel, carried
        channel.news.set()


def test_one_thread_at_a_time_waits_for_news_so_that_what_comes_together_is_delivered_together():
    with waiting(3) as (here, channel, carried):
        assert not channel.several.wait(0.1)
        here.publish(*range(100))
    assert sorted(each.result() for each in carried) == [0, 0, 100]
    assert [len(batch) for batch in here.target.offered] == [100]


def test_who_waits_for_its_turn_to_read_reads_nothing_after_a_stop():
    with waiting(3) as (here, channel, carried):
        here.stopping.set()
    assert [each.result() for each in carried] == [0, 0, 0]
    assert not channel.several.is_set()


def test_what_is_due_is_delivered_while_another_thread_waits_for_news():
    with waiting(1) as (here, _, [carried]):
        here.park(1, attempts=1, first_ms=NOON_MS)
        here.pass_s(2)
        assert here.once() == 1
        assert not carried.done()


def test_splitting_a_batch_ends_before_another_may_take_it_over():
    here = house(everything_is_taken, *range(8))

    def hangs(events: Sequence[bytes]) -> list[Delivered] | Verdict:
        here.pass_s(10)
        return Verdict(NO_ANSWER, "ReadTimeoutError")

    here.target.says = hangs
    assert here.once() == 0
    assert [len(batch) for batch in here.target.offered] == [8, 4]
    assert here.left() == (8, 0, 0)
    handed = {entry.handed for entry in FakeChannel(here.broker, "events", "b").claim(10, 60_000).entries}
    assert handed == {1}


@pytest.mark.parametrize("claim_idle_s", [26, 30, 45, 60, 120])
@pytest.mark.parametrize("fails_after_s", [0.1, 1, 2, 7, 14, 24.9])
def test_no_event_is_in_hand_for_as_long_as_it_takes_to_be_taken_over(claim_idle_s, fails_after_s):
    here = house(everything_is_taken, *range(16))
    here.dispatcher.claim_idle_ms = claim_idle_s * 1000

    def slow(events: Sequence[bytes]) -> list[Delivered] | Verdict:
        here.pass_s(fails_after_s if len(events) > 8 else here.target.timeout_s)
        return Verdict(500) if len(events) > 8 else everything_is_taken(events)

    here.target.says = slow
    while here.left() != (0, 0, 0):
        began_ms = here.broker.now_ms
        here.once()
        assert here.broker.now_ms - began_ms < claim_idle_s * 1000


def test_after_a_batch_that_hung_the_next_are_smaller_until_what_hangs_is_alone():
    here = house(everything_is_taken, *range(64))

    def hangs(events: Sequence[bytes]) -> list[Delivered] | Verdict:
        if event(40) not in events:
            return everything_is_taken(events)
        here.pass_s(25)
        return Verdict(NO_ANSWER, "ReadTimeoutError")

    here.target.says = hangs
    for _ in range(60):
        here.once()
    assert here.left() == (0, 1, 0)
    here.publish(*range(100, 600))
    for _ in range(20):
        here.once()
    assert max(len(batch) for batch in here.target.offered[-3:]) > 100


@pytest.mark.parametrize("raw", [b"not JSON at all", b"{}", b"[1]", b"", b"\xff\x00"])
def test_what_is_no_event_is_buried_whole_in_one_that_can_be_read(raw):
    here = house(refused(lambda _: True))
    here.broker.add("events", raw)
    here.once()
    (letter,) = here.stream.dead
    dead = parse(letter.event).event
    assert b64decode(dead.data_base64 or "") == raw
    assert dead.extension("knativeerrorcode") == "400"


# --- the loop


def test_trouble_with_redis_long_ago_does_not_lengthen_the_next_pause(monkeypatch):
    here = house()
    reads = count(1)
    real = here.dispatcher.channel.read

    def read(most: int, block_ms: int) -> list[Entry]:
        number = next(reads)
        if number > 400:
            here.stopping.set()
        if number % 50 == 0:
            raise Unavailable("memory")
        return real(most, block_ms)

    monkeypatch.setattr(here.dispatcher.channel, "read", read)
    here.dispatcher.run(here.stopping)
    assert set(here.stopping.waits) == {0, 0.25}


def test_the_loop_carries_until_it_is_stopped_and_finishes_what_is_in_flight():
    here = house(batch=1)
    here.publish(1, 2, 3)

    def says(events: Sequence[bytes]) -> list[Delivered] | Verdict:
        if event(2) in events:
            here.stopping.set()
        return everything_is_taken(events)

    here.target.says = says
    here.dispatcher.run(here.stopping)
    assert here.target.offered == [[event(1)], [event(2)]]
    assert [entry.event for entry in here.stream.entries.values()] == [event(3)]


def test_the_loop_does_nothing_when_it_is_stopped_already():
    here = house(everything_is_taken, 1)
    here.stopping.set()
    here.dispatcher.run(here.stopping)
    assert here.left() == (1, 0, 0)
    assert here.target.offered == []


class Failing(FakeChannel):
    """A channel whose backend is away for the first reads."""

    failures = 7

    def read(self, count: int, block_ms: int) -> list[Entry]:
        self.failures -= 1
        if self.failures >= 0:
            raise Unavailable("memory")
        return super().read(count, block_ms)


def test_the_loop_outlives_a_backend_that_is_away_and_waits_longer_and_longer():
    here = house()

    def says(events: Sequence[bytes]) -> list[Delivered] | Verdict:
        here.stopping.set()
        return everything_is_taken(events)

    here.target.says = says
    here.dispatcher.channel = Failing(here.broker, "events", "a")  # type: ignore[assignment] # keeps the same contract
    here.publish(1)
    here.dispatcher.run(here.stopping)
    assert here.left() == (0, 0, 0)
    assert here.stopping.waits[:8] == [0, 0.25, 0.5, 1, 2, 4, HOLD_MAX_S, HOLD_MAX_S]


def test_the_loop_makes_sure_of_its_channel_again_when_everything_was_lost():
    here = house()

    def says(events: Sequence[bytes]) -> list[Delivered] | Verdict:
        if event(1) in events:
            here.broker.flush()
            here.publish(2)
        else:
            here.stopping.set()
        return everything_is_taken(events)

    here.target.says = says
    here.publish(1)
    here.dispatcher.run(here.stopping)
    assert here.target.offered == [[event(1)], [event(2)]]
    assert here.left() == (0, 0, 0)
