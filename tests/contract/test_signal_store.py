"""A store of signals: all of a batch or nothing, each event once, and the same answer however often it comes."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from events.cloudevent import event_id
from functions.adapters.postgres.database import Database
from functions.adapters.postgres.models import PostgresModels
from functions.adapters.postgres.signal_store import PostgresSignalStore
from functions.adapters.postgres.tenants import PostgresTenants
from functions.domain.catalog import EVENT_TYPES
from functions.domain.condition import Condition
from functions.domain.model import ScoringModel, Versioned
from functions.domain.retraction import Retraction
from functions.domain.rule import Rule, RuleDefinition
from functions.domain.sales import UNASSIGNED
from functions.domain.score import Slot, Sum
from functions.domain.signal import Signal
from functions.domain.state import Account, AccountKey
from functions.ports import SignalStore
from tests.contract.memory_store import MemorySignalStore
from tests.integration.test_signal_store import NOW, signal
from tests.servers.recording import record

TENANT = "acme-inc"
#: A tenant with a scoring model of its own.
MODELLED = "modelled"
MODEL = ScoringModel.model_validate({"types": {"demo_completed": {"points": 90, "halfLifeDays": 30}}})
KINDS = [EVENT_TYPES[name] for name in sorted({kind.type for kind in EVENT_TYPES.values() if kind.points})]
CROSSED, WORTHLESS = (UUID(int=number) for number in (1, 2))
RULES = {
    CROSSED: {"name": "crossed 50", "when": "account.engagement >= 50"},
    WORTHLESS: {"name": "big", "when": "event.metadata.deal > 100"},
}


def definition(given: dict[str, str]) -> RuleDefinition:
    return RuleDefinition.model_validate({**given, "then": [{"channel": "email", "to": "a@example.com"}]})


def in_memory(_: pytest.FixtureRequest) -> Iterator[SignalStore]:
    rules = []
    for id_, given in RULES.items():
        made = definition(given)
        condition = Condition.compile(made.when)
        rules.append(Rule(tenant_id=TENANT, id=str(id_), version=1, definition=made, condition=condition))
    yield MemorySignalStore({TENANT: rules}, {MODELLED: Versioned(2, MODEL)})


def in_postgresql(request: pytest.FixtureRequest) -> Iterator[SignalStore]:
    with closing(Database(request.getfixturevalue("database_url"))) as database:
        tenants = PostgresTenants(database)
        tenants.put(TENANT, "Acme")
        tenants.put(MODELLED, "Modelled")
        PostgresModels(database, confined=False).put(MODELLED, MODEL, "operator")
        for id_, given in RULES.items():
            tenants.put_rule(TENANT, id_, definition(given))
        yield PostgresSignalStore(database)


@pytest.fixture(params=[in_memory, in_postgresql])
def store(request: pytest.FixtureRequest) -> Iterator[SignalStore]:
    yield from request.param(request)


def accounts(store: SignalStore, signals: Sequence[Signal]) -> dict[AccountKey, Account]:
    """What is known of the accounts of signals, but for how their past is kept."""
    with store.batch() as batch:
        known = batch.lock(signals).accounts
    return {
        key: Account(dict(sorted(each.sums.items())), each.episodes, each.as_of, people=each.people)
        for key, each in sorted(known.items())
        if each.sums or each.episodes
    }


def happened(seed: int, count: int) -> list[Signal]:
    chance = random.Random(seed)
    return [
        signal(
            number,
            kind=chance.choice(KINDS),
            account_id=chance.choice(["acme", "globex"]),
            occurred_at=(at := NOW + timedelta(hours=number * chance.random())) - timedelta(days=30 * chance.random()),
            received_at=at,
        )
        for number in range(count)
    ]


def test_a_batch_that_comes_again_changes_nothing_and_is_answered_the_same(store: SignalStore) -> None:
    batch = [signal(number) for number in range(5)]
    first = record(store, batch)
    known = accounts(store, batch)
    assert sum(len(notices) for notices in first.notices.values()) == 1
    assert record(store, batch) == first
    assert accounts(store, batch) == known


def test_events_are_worth_what_their_tenants_model_says(store: SignalStore) -> None:
    demos = [signal(1), signal(2, tenant_id=MODELLED, id=event_id(MODELLED, "/tests", "2"))]
    record(store, demos)
    with store.batch() as batch:
        batch.insert(demos)
        known = batch.lock(demos).accounts
    assert {tenant: account.scoring.version for (tenant, _), account in known.items()} == {TENANT: 1, MODELLED: 2}
    assert known[TENANT, "globex"].known.points("buyer", NOW) == pytest.approx(60)
    assert known[MODELLED, "globex"].known.points("buyer", NOW) == pytest.approx(90)
    assert [slot[2] for slot in known[MODELLED, "globex"].sums] == [30]


@pytest.mark.parametrize("seed", range(3))
def test_scores_are_the_same_however_events_are_batched_repeated_and_ordered(store: SignalStore, seed: int) -> None:
    signals, chance = happened(seed, 60), random.Random(seed)
    expected = in_memory_of(signals)
    shuffled = chance.sample(signals, len(signals))
    for start in range(0, len(shuffled), 7):
        record(store, shuffled[start : start + 7])
        record(store, shuffled[max(0, start - 3) : start + 2])
    assert {key: each.sums for key, each in accounts(store, signals).items()} == expected


def in_memory_of(signals: Sequence[Signal]) -> dict[AccountKey, object]:
    """The sums after all signals in their order, in one batch."""
    store = MemorySignalStore({})
    record(store, signals)
    return {key: each.sums for key, each in accounts(store, signals).items()}


def test_of_one_identity_the_first_counts_whatever_the_others_hold(store: SignalStore) -> None:
    first, other = signal(1, content=b"first"), signal(1, content=b"other", account_id="elsewhere")
    for batch in ([first, other], [other]):
        recorded = record(store, batch)
        assert (recorded.differs(first), recorded.differs(other)) == (False, True)
    assert list(accounts(store, [first, other])) == [(TENANT, "globex")]


def test_an_error_leaves_nothing_of_a_batch(store: SignalStore) -> None:
    class WentWrong(Exception):
        """Stops a batch before its end."""

    with pytest.raises(WentWrong), store.batch() as batch:
        batch.insert([signal(1)])
        raise WentWrong
    assert accounts(store, [signal(1)]) == {}
    assert sum(len(notices) for notices in record(store, [signal(1)]).notices.values()) == 1


def test_a_notice_is_its_first_event_s_and_one_that_is_quiet_is_nobody_s(store: SignalStore) -> None:
    worthless = replace(EVENT_TYPES["demo_completed"], points=0)
    big = {"accountId": "globex", "metadata": {"deal": 500}}
    nobodys = [signal(number, account_id=UNASSIGNED, kind=worthless, data=big) for number in (1, 2)]
    first = record(store, nobodys)
    again = record(store, nobodys)
    assert [len(first.notices.get((TENANT, each.event.id), ())) for each in nobodys] == [1, 0]
    assert first.notices == again.notices
    event = signal(3).event
    quiet = Signal.of(event._replace(sent={**event.sent, "quiet": True}))
    assert record(store, [quiet]).notices == {}
    assert record(store, [quiet]).notices == {}


def test_a_notice_that_nobody_has_sent_is_found_by_when_it_was_wanted(store: SignalStore) -> None:
    [[notice]] = record(store, [signal(1)]).notices.values()
    hour = timedelta(hours=1)
    assert store.forgotten_notices(NOW - hour, NOW + hour) == [(TENANT, notice)]
    assert store.forgotten_notices(NOW + hour, NOW + 2 * hour) == []


def visited(chance: random.Random, count: int) -> list[Signal]:
    """Visits of people and of machines, some of which are taken back, before or after they come."""
    signals = []
    for number in range(count):
        alias = chance.choice(
            ["page_viewed", "page_viewed", "email_clicked", "email_clicked", "email_sent", "demo_completed"]
        )
        moment = NOW - timedelta(
            days=chance.choice([0, 0, 1, 40]), seconds=chance.choice([0, 1, 30, *range(600, 43_200, 1800)])
        )
        said = {"messageId": "m1", "url": f"/{chance.randint(0, 3)}", "campaign": chance.choice(["spring", "autumn"])}
        metadata = {**said, "bot": chance.random() < 0.1} if alias == "email_clicked" else {}
        signals.append(
            signal(
                number,
                kind=EVENT_TYPES[alias],
                account_id=chance.choice(["acme", "acme", "acme", "globex"]),
                contact_id=chance.choice(["jo", "kim", None]),
                occurred_at=moment,
                data={"metadata": metadata},
            )
        )
    for number in range(count // 10):
        taken_back = Retraction(chance.choice(signals).event.id, "/crm", None)
        kind = EVENT_TYPES["event_retracted"]
        signals.append(signal(count + number, kind=kind, account_id=UNASSIGNED, retracts=taken_back))
    return signals


def stands(store: SignalStore, signals: Sequence[Signal]) -> dict[str, tuple[str, int]]:
    """The side that each signal is recorded with, and why."""
    if isinstance(store, MemorySignalStore):
        return store.stands()
    assert isinstance(store, PostgresSignalStore)
    with store._database.transaction() as tx:
        return {
            str(id_): (side, why)
            for id_, side, why in tx._connection.run(
                "SELECT id, side, left_out FROM signals WHERE signal_type <> 'insight'"
            )
        }


@pytest.mark.parametrize("seed", range(4))
def test_what_counts_depends_on_the_events_alone(store: SignalStore, seed: int) -> None:
    chance = random.Random(seed)
    signals = visited(chance, 250)
    expected = MemorySignalStore({})
    record(expected, signals)
    assert Counter(side for side, _ in expected.stands().values()).keys() >= {"capped", "unverified", "retracted"}
    shuffled = chance.sample(signals, len(signals))
    for start in range(0, len(shuffled), 13):
        record(store, shuffled[start : start + 13])
        record(store, shuffled[max(0, start - 3) : start + 2])
    assert stands(store, signals) == expected.stands()
    known, wanted = accounts(store, signals), accounts(expected, signals)
    assert {key: each.sums for key, each in known.items()} == {key: each.sums for key, each in wanted.items()}
    assert {key: everybody(each) for key, each in known.items()} == {
        key: everybody(each) for key, each in wanted.items()
    }


def everybody(account: Account) -> dict[str, dict[Slot, Sum]]:
    return {name: dict(sorted(each.sums.items())) for name, each in account.people.known.items()}
