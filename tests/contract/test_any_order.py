"""What is known of accounts depends on the set of their events: not on order, repetition, batches or workers."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.errors import Unavailable
from functions.adapters.postgres.database import Database
from functions.adapters.postgres.signal_store import PostgresSignalStore
from functions.adapters.postgres.tenants import PostgresTenants
from functions.domain.catalog import EVENT_TYPES
from functions.domain.evaluation import STOPPED_CLOCKS
from functions.domain.retraction import Retraction
from functions.domain.sales import UNASSIGNED
from functions.domain.signal import Signal
from functions.ports import SignalStore
from functions.process import handler
from tests.contract.memory_store import MemorySignalStore
from tests.contract.test_signal_store import TENANT, accounts, everybody, in_memory, in_postgresql, stands
from tests.integration.test_signal_store import NOW, signal
from tests.servers.recording import record

#: What sales people and machines do, with much that is capped, in bursts or at the edge of an insight.
ALIASES = (
    *("page_viewed", "page_viewed", "email_clicked", "email_clicked", "email_opened", "email_sent", "call_made"),
    *("email_replied", "pricing_viewed", "demo_requested", "demo_completed", "meeting_no_show", "email_unsubscribed"),
)


@pytest.fixture(params=[in_memory, in_postgresql])
def store(request: pytest.FixtureRequest) -> Iterator[SignalStore]:
    yield from request.param(request)


def lived(chance: random.Random, count: int) -> list[Signal]:
    """A hundred days of two accounts, some events of which are taken back."""
    signals = []
    for number in range(count):
        days = chance.choice([0, 0, 1, chance.uniform(0, 30), chance.uniform(0, 100)])
        said = {"messageId": "m1", "url": f"/{chance.randint(0, 3)}", "campaign": chance.choice(["spring", None])}
        signals.append(
            signal(
                number,
                kind=EVENT_TYPES[alias := chance.choice(ALIASES)],
                account_id=chance.choice(["acme", "acme", "globex"]),
                contact_id=chance.choice(["jo", "kim", "lee", None]),
                occurred_at=NOW - timedelta(days=days, seconds=chance.choice([0, 1, 30, 20_000])),
                data={"metadata": {**said, "bot": chance.random() < 0.1} if alias == "email_clicked" else {}},
            )
        )
    for number in range(count // 12):
        taken_back = Retraction(chance.choice(signals).event.id, "/crm", None)
        kind = EVENT_TYPES["event_retracted"]
        signals.append(signal(count + number, kind=kind, account_id=UNASSIGNED, retracts=taken_back))
    return signals


def batches(chance: random.Random, signals: Sequence[Signal]) -> list[list[Signal]]:
    """The signals in another order, in batches of any size, some of which come again with others."""
    shuffled, found, start = chance.sample(signals, len(signals)), [], 0
    while start < len(shuffled):
        size = chance.randint(1, 20)
        found.append(shuffled[start : start + size])
        if chance.random() < 0.3:
            found.append(shuffled[max(0, start - 5) : start + size])
        start += size
    return found


def insights(store: SignalStore) -> list[tuple[Any, ...]]:
    """The insights that were not undone."""
    if isinstance(store, MemorySignalStore):
        found = [each for each in store.insights if not each.undone]
        return sorted((each.id, each.kind, each.account_id, each.opened_at, each.closed_at) for each in found)
    assert isinstance(store, PostgresSignalStore)
    with store._database.transaction() as tx:
        rows = tx._connection.run(
            "SELECT id, kind, account_id, opened_at, closed_at FROM insights WHERE NOT undone ORDER BY id"
        )
    return [(str(id_), *others) for id_, *others in rows]


def known(store: SignalStore, signals: Sequence[Signal]) -> dict[str, Any]:
    found = accounts(store, signals)
    return {
        "sums": {key: each.sums for key, each in found.items()},
        "people": {key: (each.people.engaged, everybody(each)) for key, each in found.items()},
        "sides": stands(store, signals),
        "insights": insights(store),
    }


def pass_time(store: SignalStore, until: datetime) -> None:
    while handler.look_at_due(store, until, STOPPED_CLOCKS).more:
        pass


def in_order(signals: Sequence[Signal], until: datetime) -> dict[str, Any]:
    """What is known when each event comes in its turn and alone, and the clock looks once, at the end."""
    store = MemorySignalStore({})
    for each in sorted(signals, key=lambda each: (each.event.occurred_at, each.event.id)):
        record(store, [each])
    pass_time(store, until)
    return known(store, signals)


@pytest.mark.parametrize("seed", range(3))
def test_what_is_known_of_accounts_does_not_depend_on_how_their_events_came(store: SignalStore, seed: int) -> None:
    chance = random.Random(seed)
    signals, until = lived(chance, 150), NOW + timedelta(days=120)
    for batch in batches(chance, signals):
        record(store, batch)
        if chance.random() < 0.2:
            pass_time(store, NOW - timedelta(days=chance.uniform(0, 50)))
    pass_time(store, until)
    expected = in_order(signals, until)
    assert len(expected["insights"]) > 5
    assert known(store, signals) == expected


@given(st.randoms(use_true_random=False), st.integers(1, 40))
@settings(max_examples=60)
def test_that_holds_for_any_events(chance: random.Random, count: int) -> None:
    store, signals, until = MemorySignalStore({}), lived(chance, count), NOW + timedelta(days=120)
    for batch in batches(chance, signals):
        record(store, batch)
    pass_time(store, until)
    assert known(store, signals) == in_order(signals, until)


@pytest.mark.parametrize("seed", range(3))
def test_two_workers_at_once_make_of_the_same_events_what_one_makes(database_url: str, seed: int) -> None:
    chance = random.Random(seed)
    signals, until = lived(chance, 200), NOW + timedelta(days=120)
    shuffled = batches(chance, signals)

    def work(store: SignalStore, mine: list[list[Signal]]) -> None:
        while mine:
            try:
                record(store, mine[0])
            except Unavailable:
                continue  # the channel would deliver it again
            mine.pop(0)

    with closing(Database(database_url)) as database, ThreadPoolExecutor(2) as workers:
        PostgresTenants(database).put(TENANT, "Acme")
        store = PostgresSignalStore(database)
        for done in [workers.submit(work, store, shuffled[number::2]) for number in (0, 1)]:
            done.result()
        pass_time(store, until)
        assert known(store, signals) == in_order(signals, until)
