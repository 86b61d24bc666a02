"""Insights in a store: in any order and any batches those of the events in their order, and rules about them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

import pytest

from functions.adapters.postgres.database import Database, connect
from functions.adapters.postgres.signal_store import PostgresSignalStore
from functions.adapters.postgres.tenants import PostgresTenants
from functions.domain import score
from functions.domain.catalog import EVENT_TYPES
from functions.domain.condition import Condition
from functions.domain.evaluation import STOPPED_CLOCKS
from functions.domain.replay import Counted
from functions.domain.retraction import Retraction
from functions.domain.rule import Rule, RuleDefinition
from functions.domain.sales import UNASSIGNED
from functions.domain.signal import Signal
from functions.ports import Recorded, SignalStore
from functions.process import handler
from functions.process.handler import Due, look_at_due
from tests.contract.memory_store import MemorySignalStore
from tests.integration.test_signal_store import NOW, signal
from tests.servers.recording import record
from tests.unit.course_log import in_order, run, spans

TENANT = "acme-inc"
DAY = timedelta(days=1)
END = NOW + 130 * DAY
KINDS = sorted({kind.alias for kind in EVENT_TYPES.values() if Counted.of(signal(1, kind=kind))})
RULE = RuleDefinition.model_validate(
    {
        "name": "gone dark",
        "when": 'event.type == "io.sspp.insight.going_dark" && event.metadata.was > 60',
        "then": [{"channel": "email", "to": "a@example.com"}],
        "cooldownHours": 0,
    }
)

Span = tuple[str, datetime, datetime | None]


def in_memory(_: pytest.FixtureRequest) -> Iterator[SignalStore]:
    rule = Rule(
        tenant_id=TENANT, id=str(UUID(int=1)), version=1, definition=RULE, condition=Condition.compile(RULE.when)
    )
    yield MemorySignalStore({TENANT: [rule]})


def in_postgresql(request: pytest.FixtureRequest) -> Iterator[SignalStore]:
    with closing(Database(request.getfixturevalue("database_url"))) as database:
        tenants = PostgresTenants(database)
        tenants.put(TENANT, "Acme")
        tenants.put_rule(TENANT, UUID(int=1), RULE)
        yield PostgresSignalStore(database)


@pytest.fixture(params=[in_memory, in_postgresql])
def store(request: pytest.FixtureRequest) -> Iterator[SignalStore]:
    yield from request.param(request)


@pytest.fixture
def found(store: SignalStore, request: pytest.FixtureRequest) -> Insights:
    return Insights(store, request)


class Insights:
    """The insights that a store has."""

    def __init__(self, store: SignalStore, request: pytest.FixtureRequest) -> None:
        self._store = store
        self._request = request

    def __call__(self, account: str = "acme") -> list[Span]:
        """Return those of an account, in the order in which they began."""
        if isinstance(self._store, MemorySignalStore):
            rows = [each for each in self._store.insights if each.account_id == account and not each.undone]
            return sorted(((each.kind, each.opened_at, each.closed_at) for each in rows), key=_order)
        with closing(connect(self._request.getfixturevalue("database_url"))) as owner:
            rows = owner.run(
                "SELECT kind, opened_at, closed_at FROM insights JOIN signals USING (tenant_id, id)"
                " WHERE insights.account_id = :account AND NOT undone AND side = 'buyer'",
                account=account,
            )
        return sorted((cast("Span", tuple(row)) for row in rows), key=_order)


def _order(span: Span) -> tuple[datetime, str]:
    return span[1], span[0]


def look(store: SignalStore, until: datetime) -> list[Recorded]:
    """Look at all accounts that are due."""
    looks: list[Due] = []
    while not looks or looks[-1].more:
        looks.append(look_at_due(store, until, STOPPED_CLOCKS))
    return [each.recorded for each in looks]


def happened(seed: int, count: int) -> list[Signal]:
    """Return events of an account that are received as they come, many of them long after they occurred."""
    chance = random.Random(seed)
    return [
        signal(
            number,
            kind=EVENT_TYPES[chance.choice([*KINDS, "email_sent", "page_viewed"])],
            account_id="acme",
            contact_id=chance.choice([None, "ann", "bob", "cy"]),
            **saying(chance.choice([None, None, "user", "champion", "unknown"])),
            occurred_at=NOW + timedelta(minutes=chance.choice([chance.randrange(30), 100]) * chance.randrange(1000)),
            received_at=NOW + 100 * DAY + timedelta(seconds=number),
        )
        for number in range(count)
    ]


def saying(role: str | None) -> dict[str, Any]:
    """Return what an event has that says a contact's role."""
    said = {} if role is None else {"role": role}
    member = "attributes" if role == "champion" else "contact"
    return {"contact_says": said, "data": {member: said, "contact": said}} if said else {}


def retraction(number: int, of: Signal) -> Signal:
    """Return an event that takes another one back."""
    taken_back = Retraction(of.event.id, "/crm", None)
    at = NOW + 100 * DAY
    kind = EVENT_TYPES["event_retracted"]
    return signal(number, kind=kind, account_id=UNASSIGNED, retracts=taken_back, occurred_at=at, received_at=at)


def expected(signals: Sequence[Signal], until: datetime) -> list[Span]:
    """Return the insights of events in their order, by adding up all of them each time."""
    counted = [each for signal in signals if (each := Counted.of(signal))]
    happenings = in_order([each.happening(newcomer=False) for each in counted])
    changes, _ = run(happenings, score.since_landmark(until))
    whole = [(kind, score.moment(at), None if end is None else score.moment(end)) for kind, at, end in spans(changes)]
    return sorted(whole, key=_order)


@pytest.mark.parametrize("seed", range(6))
def test_any_order_and_any_batches_lead_to_the_insights_of_the_events_in_their_order(
    store: SignalStore, found: Insights, seed: int
) -> None:
    chance = random.Random(seed)
    signals = happened(seed, 40)
    waiting = signals if seed % 2 else sorted(signals, key=lambda each: each.event.occurred_at)
    while waiting:
        size = chance.randint(1, 7)
        batch, waiting = waiting[:size], waiting[size:]
        record(store, batch)
        record(store, batch[::-1])
        if chance.random() < 0.3:
            look(store, max(each.event.occurred_at for each in batch) + chance.choice([0, 1, 20]) * DAY)
    look(store, END)
    look(store, END)
    assert found() == expected(signals, END)


def test_what_silence_brings_is_found_by_the_clock_and_a_rule_about_it_fires_once(
    store: SignalStore, found: Insights
) -> None:
    record(store, [signal(1, kind=EVENT_TYPES["demo_completed"], account_id="acme")])
    assert [each.notices for each in look(store, NOW + 13.9 * DAY)] == [{}]
    first, again = look(store, NOW + 14 * DAY), look(store, NOW + 14.5 * DAY)
    assert [len(notices) for each in first for notices in each.notices.values()] == [1]
    assert [each.notices for each in again] == [{}]
    assert ("going_dark", NOW + 14 * DAY, None) in found()


def test_a_clock_that_comes_a_week_late_finds_the_same_and_tells_nobody(store: SignalStore, found: Insights) -> None:
    record(store, [signal(1, kind=EVENT_TYPES["demo_completed"], account_id="acme")])
    assert [each.notices for each in look(store, NOW + 21 * DAY)] == [{}]
    assert ("going_dark", NOW + 14 * DAY, None) in found()


def test_an_insight_that_a_late_event_undoes_is_gone_until_its_time_comes(store: SignalStore, found: Insights) -> None:
    demo = signal(1, kind=EVENT_TYPES["demo_completed"], account_id="acme")
    visit = signal(2, kind=EVENT_TYPES["page_viewed"], account_id="acme")
    reply = replace_time(visit, NOW + 13 * DAY, NOW + 20 * DAY)
    record(store, [demo])
    look(store, NOW + 14 * DAY)
    assert "going_dark" in {kind for kind, _, _ in found()}
    record(store, [reply])
    assert "going_dark" not in {kind for kind, _, _ in found()}
    look(store, NOW + 60 * DAY)
    assert found() == expected([demo, reply], NOW + 60 * DAY)
    assert [at for kind, at, _ in found() if kind == "going_dark"] == [NOW + 52 * DAY]  # 3 x the gap of 13 days


def replace_time(of: Signal, occurred_at: datetime, received_at: datetime) -> Signal:
    return of._replace(event=of.event._replace(occurred_at=occurred_at, received_at=received_at))


def test_more_accounts_than_one_transaction_takes_are_looked_at_one_after_another(
    store: SignalStore, found: Insights, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handler, "MOST_DUE", 2)
    names = [f"account-{number}" for number in range(5)]
    record(store, [signal(n, kind=EVENT_TYPES["demo_completed"], account_id=name) for n, name in enumerate(names)])
    assert len(look(store, NOW + 14 * DAY)) == 3
    assert all("going_dark" in {kind for kind, _, _ in found(name)} for name in names)


def test_an_event_that_is_quiet_tells_nobody_of_its_insights(store: SignalStore, found: Insights) -> None:
    loud = signal(1, kind=EVENT_TYPES["demo_completed"], account_id="acme")
    quiet = loud._replace(event=loud.event._replace(sent={**loud.event.sent, "quiet": True}))
    later = signal(2, kind=EVENT_TYPES["page_viewed"], account_id="acme")
    later = replace_time(later, NOW + 14.5 * DAY, NOW + 14.5 * DAY)
    later = later._replace(event=later.event._replace(sent={**later.event.sent, "quiet": True}))
    assert record(store, [quiet]).notices == {}
    assert record(store, [later]).notices == {}
    assert "going_dark" in {kind for kind, _, _ in found()}


@pytest.mark.parametrize("seed", range(4))
def test_what_is_left_out_or_taken_back_counts_for_no_insight_whenever_it_is_known(
    store: SignalStore, found: Insights, seed: int
) -> None:
    chance = random.Random(seed)
    signals = happened(seed, 30)
    waiting = signals + [retraction(100 + number, of) for number, of in enumerate(chance.sample(signals, 8))]
    chance.shuffle(waiting)
    whole = MemorySignalStore({})
    for size in (5, 11):
        batches = [waiting[start : start + size] for start in range(0, len(waiting), size)]
        for batch in batches:
            record(store if size == 5 else whole, batch)
    look(store, END)
    counts = {id_ for id_, (side, _) in whole.stands().items() if side in {"buyer", "rep"}}
    assert found() == expected([each for each in signals if each.event.id in counts], END)


@pytest.mark.parametrize("seed", range(3))
def test_an_account_of_an_earlier_version_gets_its_insights_with_its_next_event_and_nobody_is_told(
    database_url: str, request: pytest.FixtureRequest, seed: int
) -> None:
    signals = sorted(happened(seed, 30), key=lambda each: (each.event.occurred_at, each.event.id))
    for store in in_postgresql(request):
        record(store, signals[:-1])
        with closing(connect(database_url)) as owner:
            owner.run("DELETE FROM insights")
            owner.run("DELETE FROM signals WHERE signal_type = 'insight'")
            owner.run("UPDATE accounts SET watch = NULL, next_due = NULL")
        assert look(store, END)[0].insights == {}
        assert record(store, signals[-1:]).notices == {}
        look(store, END)
        assert Insights(store, request)() == expected(signals, END)
