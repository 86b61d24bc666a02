"""How signals stand, in PostgreSQL: with several workers at once, and in the sums by day."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial

import pytest

from functions.adapters.postgres.account_sums import known_at
from functions.adapters.postgres.database import Database
from functions.adapters.postgres.signal_store import PostgresSignalStore
from functions.domain import engine, history, score
from functions.domain.catalog import EVENT_RETRACTED
from functions.domain.explain import Known
from functions.domain.retraction import Retraction
from functions.domain.rollup import of_contacts
from functions.domain.score import Slot, Sum
from functions.domain.signal import Signal
from functions.domain.standing import RETRACTED
from tests.contract.memory_store import MemorySignalStore
from tests.contract.test_signal_store import TENANT, stands, visited
from tests.integration.test_signal_store import NOW, signal
from tests.servers.recording import record


def batches(chance: random.Random, signals: Sequence[Signal], size: int) -> list[Sequence[Signal]]:
    """Signals in any order, some of them twice."""
    shuffled = chance.sample(signals, len(signals)) + chance.sample(signals, len(signals) // 5)
    return [shuffled[start : start + size] for start in range(0, len(shuffled), size)]


def expected(signals: Sequence[Signal]) -> dict[str, tuple[str, int]]:
    store = MemorySignalStore({})
    record(store, signals)
    return store.stands()


def test_what_counts_depends_on_the_events_alone_with_several_workers_at_once(database: Database) -> None:
    chance = random.Random(7)
    signals = visited(chance, 250)
    store = PostgresSignalStore(database)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(partial(record, store), batches(chance, signals, 9)))
    assert stands(store, signals) == expected(signals)


def then(database: Database, account: str, at: datetime) -> Known:
    """What is known of an account by its signals until a moment, as they stand now, added up the plain way."""
    by_contact: dict[str, dict[Slot, Sum]] = defaultdict(dict)
    with database.transaction() as tx:
        rows = tx._connection.run(
            "SELECT coalesce(contact_id, ''), event_type, side, points, half_life_days, timestamp FROM signals"
            " WHERE account_id = :account AND timestamp <= :at AND points <> 0",
            account=account,
            at=at,
        )
    for contact, type_, side, points, half_life, moment in rows:
        since = score.since_landmark(moment)
        score.add(by_contact[contact], *score.part(type_, side, points, half_life, since, named=bool(contact)))
    return Known(*of_contacts(by_contact))


def test_sums_by_day_hold_how_signals_stand_whatever_comes_later(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    fold = history.fold
    monkeypatch.setattr(history, "fold", lambda accounts, signals, moved: fold(accounts, signals, moved, 1, 1))
    chance = random.Random(11)
    signals = visited(chance, 250)
    store = PostgresSignalStore(database)
    for batch in batches(chance, signals, 13):
        record(store, batch)
    with database.transaction() as tx:
        assert tx._connection.run("SELECT count(*) > 0 FROM contact_days")[0][0]
        for account in ("acme", "globex"):
            for at in [NOW - timedelta(days=days, hours=hours) for days in (0, 1, 2, 39, 41) for hours in (0, 6)]:
                assert known_at(tx, TENANT, account, at) == then(database, account, at), (account, at)


@pytest.mark.parametrize("first", ["the event", "the retraction"])
def test_an_event_and_its_retraction_at_the_same_moment_do_not_miss_each_other(
    database: Database, until_one_waits: Callable[[], None], first: str
) -> None:
    store = PostgresSignalStore(database)
    taken_back = signal(1)
    retraction = signal(2, kind=EVENT_RETRACTED, retracts=Retraction(taken_back.event.id, "/crm", None))
    begun, other = (taken_back, retraction) if first == "the event" else (retraction, taken_back)
    with ThreadPoolExecutor(1) as threads:
        with store.batch() as batch:
            new, _ = batch.insert([begun])
            waiting = threads.submit(record, store, [other])
            until_one_waits()
            batch.write(engine.advance(batch.lock(new), new), new)
        waiting.result()
    assert stands(store, [taken_back])[taken_back.event.id] == ("retracted", RETRACTED)
