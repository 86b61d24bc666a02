from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic_core import to_json

from events.cloudevent import event_id
from functions.adapters.postgres.account_lists import Choice
from functions.adapters.postgres.account_sums import known_at, sums_then
from functions.adapters.postgres.database import Database, connect
from functions.adapters.postgres.pages import Listed, Page
from functions.adapters.postgres.reader import Reader
from functions.adapters.postgres.recorded_signals import PostgresRecordedSignals
from functions.adapters.postgres.signal_lists import SignalQuery
from functions.adapters.postgres.signal_store import PostgresSignalStore
from functions.adapters.postgres.tenants import PostgresTenants
from functions.domain import score
from functions.domain.catalog import EVENT_TYPES
from functions.domain.model import DEFAULT
from functions.domain.plan import OwnEventType
from functions.domain.rule import RuleDefinition
from functions.domain.sales import UNASSIGNED, SalesEvent
from functions.domain.score import Slot, Sum
from functions.domain.signal import SHOWN, Signal, instant
from tests.servers.recording import record

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
PAGE = Page(number=1, limit=100)


#: Worth as much as a page that was viewed; but any number of them counts.
UNCAPPED = replace(EVENT_TYPES["page_viewed"], name="page.shown", prefix="")


def signal(number: int, **changes: Any) -> Signal:
    event: dict[str, Any] = {
        "id": event_id("acme-inc", "/tests", str(number)),
        "tenant_id": "acme-inc",
        "source": "/tests",
        "source_id": str(number),
        "kind": EVENT_TYPES["demo_completed"],
        "account_id": "globex",
        "contact_id": None,
        "user_id": None,
        "occurred_at": NOW,
        "received_at": NOW,
        "data": {"accountId": "globex"},
        "content": b"content",
        **changes,
    }
    given = {"specversion": "1.0", "id": event["source_id"], "source": event["source"], "type": "demo_completed"}
    return Signal.of(SalesEvent(sent={**given, "data": event["data"]}, **event))


@pytest.fixture
def store(database: Database) -> PostgresSignalStore:
    return PostgresSignalStore(database)


@pytest.fixture
def rule(database: Database) -> UUID:
    rule_id = uuid4()
    definition = RuleDefinition.model_validate(
        {
            "name": "crossed 50",
            "when": "account.engagement >= 50",
            "then": [{"channel": "email", "to": "a@example.com"}],
        }
    )
    PostgresTenants(database).put("acme-inc", "Acme")
    PostgresTenants(database).put_rule("acme-inc", rule_id, definition)
    return rule_id


def test_a_batch_delivered_again_changes_nothing_and_gives_the_same_answer(
    store: PostgresSignalStore, database: Database, rule: UUID
) -> None:
    batch = [signal(number) for number in range(5)]
    first = record(store, batch)
    assert sum(len(notices) for notices in first.notices.values()) == 1
    assert record(store, batch) == first
    assert record(store, [*batch[3:], signal(9)]).contents.items() >= dict(list(first.contents.items())[3:]).items()
    reader = Reader(database)
    assert reader.signals(SignalQuery(tenant_id="acme-inc", filters={}), PAGE).total == 6
    assert reader.notices("acme-inc", PAGE).total == 1


def test_an_event_twice_in_one_batch_counts_once(store: PostgresSignalStore, database: Database) -> None:
    record(store, [signal(1), signal(1)])
    explained = Reader(database).explained("acme-inc", "globex", NOW)
    assert explained is not None
    assert explained["buyer"].score == 63.2


def test_what_is_stored_is_what_each_signal_says_whatever_the_batch_has_in_common(
    store: PostgresSignalStore, database: Database
) -> None:
    signals = [
        signal(1),
        signal(2, data={"metadata": {"interactionCount": 4, "b": 1.50, "a": 'Zoë\'s \\ "x"\n'}}),
        signal(3, source="/other", contact_id="jo", user_id="u1"),
        signal(4, kind=EVENT_TYPES["email_opened"], account_id="acme", occurred_at=NOW - timedelta(microseconds=1)),
        signal(6, kind=replace(EVENT_TYPES["demo_completed"], prefix="", points=7)),  # a type of the tenant's own
        signal(5, tenant_id="other-inc", id=event_id("other-inc", "/tests", "5")),
    ]
    record(store, [*signals, signals[0]])
    for one in signals:
        event = one.event
        found = Reader(database).signal(event.tenant_id, UUID(event.id))
        assert found is not None
        told = {
            "id": str(event.id),
            "account_id": event.account_id,
            "user_id": event.user_id,
            "contact_id": event.contact_id,
            "event_type": event.kind.type,
            "signal_type": event.kind.signal,
            "signal_score": one.score,
            "points": event.kind.points,
            "timestamp": instant(event.occurred_at),
            "processed_at": found["processed_at"],
            "metadata": event.metadata,
            "reasons": list(one.reasons),
        }
        assert {name: found[name] for name in SHOWN} == told
        [[copied]] = PostgresRecordedSignals(database).read([(event.tenant_id, UUID(str(event.id)))])
        assert (copied.row, copied.event, copied.timestamp) == (told, found["event"], event.occurred_at)
        assert (found["source"], found["source_id"]) == (event.source, event.source_id)
        assert found["received_at"] == instant(event.received_at)
    assert Reader(database).signal("acme-inc", UUID(signals[-1].event.id)) is None


def test_the_score_is_what_its_contributions_add_up_to(store: PostgresSignalStore, database: Database) -> None:
    chance = random.Random(7)
    kinds = sorted({kind.type for kind in EVENT_TYPES.values() if kind.points})
    record(
        store,
        [
            signal(
                number,
                kind=EVENT_TYPES[chance.choice(kinds)],
                occurred_at=NOW - timedelta(days=chance.uniform(0, 200)),
            )
            for number in range(300)
        ],
    )
    explained = Reader(database).explained("acme-inc", "globex", NOW)
    assert explained is not None
    for side in ("buyer", "rep"):
        total = sum(item.points_now for item in explained[side].contributions)
        assert explained[side].score == DEFAULT.shown(total)
        assert total != 0


def test_accounts_are_ranked_by_the_score_that_each_of_them_shows(
    store: PostgresSignalStore, database: Database
) -> None:
    chance = random.Random(11)
    record(
        store,
        [
            signal(
                number,
                account_id=f"account-{number % 12}",
                kind=EVENT_TYPES[chance.choice(["page_viewed", "email_sent", "email_clicked", "meeting_no_show"])],
                occurred_at=NOW - timedelta(days=chance.uniform(0, 3000)),
            )
            for number in range(200)
        ],
    )
    reader = Reader(database)
    listed = reader.accounts("acme-inc", NOW, PAGE)
    ranked, total = listed.rows, listed.total
    assert total == 12
    engagements = [row["engagement"] for row in ranked]
    assert engagements == sorted(engagements, reverse=True)
    for row in ranked:
        explained = reader.explained("acme-inc", row["account_id"], NOW)
        assert explained is not None
        assert (row["engagement"], row["effort"]) == (explained["buyer"].score, explained["rep"].score)


def test_accounts_of_one_score_are_ranked_by_name_so_that_no_page_repeats_one(
    store: PostgresSignalStore, database: Database
) -> None:
    names = [f"account-{number:02}" for number in range(40)]
    record(store, [signal(number, account_id=name) for number, name in enumerate(random.Random(5).sample(names, 40))])
    pages = [Reader(database).accounts("acme-inc", NOW, Page(number=number, limit=7)).rows for number in range(1, 7)]
    assert [row["account_id"] for page in pages for row in page] == names


def test_what_an_account_is_made_of_begins_with_the_strongest_be_it_negative(
    store: PostgresSignalStore, database: Database
) -> None:
    types = ("page_viewed", "email_unsubscribed", "email_clicked")
    record(store, [signal(number, kind=EVENT_TYPES[name]) for number, name in enumerate(types)])
    explained = Reader(database).explained("acme-inc", "globex", NOW)
    assert explained is not None
    assert [item.points_now for item in explained["buyer"].contributions] == pytest.approx([-30, 6, 2])


def test_the_newest_version_of_a_rule_and_of_an_event_type_counts(
    store: PostgresSignalStore, database: Database, rule: UUID
) -> None:
    known = PostgresTenants(database)
    for points in (1, 2, 3):
        known.put_event_type("acme-inc", own_type(points))
        known.put_rule("acme-inc", rule, named(f"version {points}"))
    assert store.own_event_types({"acme-inc"})["acme-inc"]["com.acme.a"].points == 3
    assert known.terms()["acme-inc"].types["com.acme.a"].points == 3
    assert [(row["name"], row["version"]) for row in known.rules("acme-inc")] == [("version 3", 4)]
    record(store, [signal(1)])
    notices = Reader(database).notices("acme-inc", PAGE).rows
    assert [(notice["title"], notice["rule_version"]) for notice in notices] == [("version 3", 4)]


def own_type(points: int) -> OwnEventType:
    given = {"type": "com.acme.a", "signal": "engagement", "score": 0.1, "points": points, "halfLifeDays": 7}
    return OwnEventType.model_validate(given)


def named(name: str) -> RuleDefinition:
    then = [{"channel": "email", "to": "a@example.com"}]
    return RuleDefinition.model_validate({"name": name, "when": "account.engagement >= 50", "then": then})


@pytest.mark.parametrize(("puts", "versions"), [("aa", 1), ("ab", 2), ("aba", 3), ("abb", 2), ("abaa", 3)])
def test_what_the_newest_version_says_already_is_no_new_one_and_what_an_older_one_said_is(
    database: Database, database_url: str, puts: str, versions: int
) -> None:
    known, rule = PostgresTenants(database), uuid4()
    known.put("acme-inc", "Acme")
    for put in puts:
        known.put_event_type("acme-inc", own_type(ord(put)))
        known.put_rule("acme-inc", rule, named(put))
    with closing(connect(database_url)) as connection:
        counted = connection.run("SELECT (SELECT count(*) FROM event_types), (SELECT count(*) FROM rules)")
    assert counted == [[versions, versions]]


@pytest.mark.parametrize(("puts", "enabled"), [("a", False), ("b", True), ("ba", True)])
def test_a_new_version_of_a_rule_is_switched_on_and_the_same_one_again_is_not(
    database: Database, puts: str, enabled: bool
) -> None:
    known, rule = PostgresTenants(database), uuid4()
    known.put("acme-inc", "Acme")
    for name in ("b", "a"):
        known.put_rule("acme-inc", rule, named(name))
    for name in puts:
        known.change_rule("acme-inc", rule, disabled="too slow")
        known.put_rule("acme-inc", rule, named(name))
    assert [row["enabled"] for row in known.rules("acme-inc")] == [enabled]


def test_batches_at_once_on_the_same_accounts_add_up(store: PostgresSignalStore, database: Database) -> None:
    chance = random.Random(3)
    signals = [signal(number, account_id=f"account-{number % 7}", kind=UNCAPPED) for number in range(400)]
    batches = [chance.sample(signals, 60) for _ in range(40)] + [signals[at : at + 50] for at in range(0, 400, 50)]
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(partial(record, store), batches))
    ranked = Reader(database).accounts("acme-inc", NOW, PAGE).rows
    expected = {f"account-{number}": DEFAULT.shown(2.0 * len(range(number, 400, 7))) for number in range(7)}
    assert {row["account_id"]: row["engagement"] for row in ranked} == expected


def test_a_batch_that_waits_for_an_account_keeps_nobody_from_the_month(
    store: PostgresSignalStore, database: Database, database_url: str, until_one_waits: Callable[[], None]
) -> None:
    record(store, [signal(1)])
    account = to_json(
        [
            {
                "tenant_id": "acme-inc",
                "account_id": "globex",
                "slots": [],
                "engaged": 0,
                "episodes": {},
                "engagement_rank": 0,
                "effort_rank": 0,
                "slow": False,
                "days_until": "2026-01-01",
            }
        ]
    ).decode()
    count = to_json([{"tenant_id": "acme-inc", "month": "2026-11-01", "events": 1}]).decode()

    def put() -> None:
        with database.transaction() as tx:
            tx.rows("put_changes", accounts=account, contacts="[]", notices="[]", troubles="[]", counts=count)

    with ThreadPoolExecutor(1) as threads, closing(connect(database_url)) as other:
        with database.transaction() as tx:
            tx.rows("lock_accounts", accounts=account)
            waiting = threads.submit(put)
            until_one_waits()
            assert other.run("SELECT events FROM usage FOR UPDATE NOWAIT") == [[1]]
        waiting.result(10)
        assert other.run("SELECT events FROM usage") == [[2]]


def nobodys(number: int) -> Signal:
    """An event that names no account."""
    return signal(number, account_id=UNASSIGNED, kind=replace(EVENT_TYPES["demo_completed"], points=0))


@pytest.mark.usefixtures("rule")
def test_events_without_an_account_wait_for_nobody(store: PostgresSignalStore, database_url: str) -> None:
    record(store, [nobodys(1)])
    with closing(connect(database_url)) as other:
        other.run("BEGIN")
        other.run("SELECT FROM accounts WHERE account_id = :account FOR UPDATE", account=UNASSIGNED)
        with ThreadPoolExecutor(1) as threads:
            assert threads.submit(record, store, [nobodys(2), signal(3)]).result(10).notices
        other.run("ROLLBACK")


def test_a_rule_that_events_without_an_account_meet_is_told_of_once_a_cooldown(
    store: PostgresSignalStore, database: Database
) -> None:
    definition: dict[str, object] = {"name": "a demo", "when": "signal.type == 'high_intent'"}
    definition |= {"then": [{"channel": "email", "to": "a@example.com"}], "cooldownHours": 24}
    PostgresTenants(database).put("acme-inc", "Acme")
    PostgresTenants(database).put_rule("acme-inc", uuid4(), RuleDefinition.model_validate(definition))
    batches = [[nobodys(number), nobodys(number + 100)] for number in range(8)]
    with ThreadPoolExecutor(4) as threads:
        recorded = list(threads.map(partial(record, store), batches))
    told = [id_ for each in recorded for ids in each.notices.values() for id_ in ids]
    assert len(told) == 1
    again = [id_ for batch in batches for ids in record(store, batch).notices.values() for id_ in ids]
    assert again == told, "a redelivery gives the same"


def test_an_event_that_comes_again_for_another_account_leaves_no_trace_there(
    store: PostgresSignalStore, database: Database
) -> None:
    record(store, [signal(1)])
    record(store, [signal(1, account_id="another")])
    listed = Reader(database).accounts("acme-inc", NOW, PAGE)
    ranked, total = listed.rows, listed.total
    assert ([row["account_id"] for row in ranked], total) == (["globex"], 1)


def test_another_tenant_sees_nothing(store: PostgresSignalStore, database: Database, rule: UUID) -> None:
    record(store, [signal(1)])
    reader = Reader(database)
    nothing = Listed(rows=[], total=0, exact=True, next=None)
    assert reader.signals(SignalQuery(tenant_id="other", filters={}, sort="points"), PAGE) == nothing
    assert reader.signal("other", UUID(signal(1).event.id)) is None
    assert reader.accounts("other", NOW, PAGE) == nothing
    assert reader.explained("other", "globex", NOW) is None
    assert reader.notices("other", PAGE) == nothing


@pytest.mark.parametrize("table", ["tenants", "signals", "accounts", "rules", "notices", "deliveries"])
def test_row_level_security_holds_even_where_a_statement_forgets_the_tenant(
    store: PostgresSignalStore, database: Database, database_url: str, rule: UUID, table: str
) -> None:
    from contextlib import closing

    from functions.adapters.postgres.database import connect

    record(store, [signal(1)])
    with closing(connect(database_url)) as connection:
        if table == "deliveries":
            connection.run(
                "INSERT INTO deliveries SELECT tenant_id, id, 1, now(), 'email', 'a', true, '' FROM notices"
            )
        everything = connection.run(f"SELECT count(*) FROM {table}")[0][0]
        connection.run("BEGIN")
        connection.run("SET LOCAL ROLE sspp_reader")
        assert connection.run(f"SELECT count(*) FROM {table}")[0][0] == 0
        connection.run("SELECT set_config('sspp.tenant', 'other', true)")
        assert connection.run(f"SELECT count(*) FROM {table}")[0][0] == 0
        connection.run("SELECT set_config('sspp.tenant', 'acme-inc', true)")
        assert connection.run(f"SELECT count(*) FROM {table}")[0][0] == everything > 0
        connection.run("ROLLBACK")


@pytest.mark.parametrize("written_before_as_of_existed", [False, True])
def test_an_old_event_that_comes_late_begins_no_episode_with_points_that_have_faded(
    store: PostgresSignalStore, database: Database, rule: UUID, written_before_as_of_existed: bool
) -> None:
    record(store, [signal(1, kind=EVENT_TYPES["email_clicked"])])
    if written_before_as_of_existed:
        with database.transaction() as tx:
            tx._connection.run("UPDATE accounts SET as_of = NULL")
    then = NOW - timedelta(days=90)
    assert record(store, [signal(2, occurred_at=then, received_at=then)]).notices == {}
    hot = NOW - timedelta(days=1)
    [[notice]] = record(store, [signal(3, occurred_at=hot, received_at=hot)]).notices.values()
    reader = Reader(database)
    [row] = reader.notices("acme-inc", PAGE).rows
    explained = reader.explained("acme-inc", "globex", NOW)
    assert (row["id"], row["created_at"]) == (str(notice), instant(NOW))
    assert explained is not None
    assert row["engagement"] == explained["buyer"].score


def put_rule(database: Database, when: str) -> UUID:
    """Save a rule as an earlier release did, which checked less."""
    rule_id = uuid4()
    then = [{"channel": "email", "to": "a@example.com"}]
    definition = RuleDefinition.model_validate({"name": "r", "when": when, "then": then, "cooldownHours": 0})
    PostgresTenants(database).put("acme-inc", "Acme")
    PostgresTenants(database).put_rule("acme-inc", rule_id, definition)
    return rule_id


def test_a_rule_that_would_be_refused_today_is_switched_off_and_costs_no_event(
    store: PostgresSignalStore, database: Database, rule: UUID
) -> None:
    slow = put_rule(database, "event.metadata.l.map(x, [x, x, x]).size() > 999999")
    assert [len(notices) for notices in record(store, [signal(1)]).notices.values()] == [1]
    states = {row["id"]: row for row in PostgresTenants(database).rules("acme-inc")}
    assert (states[rule]["enabled"], states[slow]["enabled"]) == (True, False)
    assert "map()" in states[slow]["disabled_because"]
    assert record(store, [signal(2)]).notices == {}


def test_what_a_rule_could_not_answer_is_counted_and_shown_and_a_new_version_begins_anew(
    store: PostgresSignalStore, database: Database
) -> None:
    rule_id = put_rule(database, "event.metadata.plan == 'pro'")
    record(store, [signal(1), signal(2, data={"metadata": {"plan": "pro"}})])
    record(store, [signal(3)])
    tenants = PostgresTenants(database)
    [row] = tenants.rules("acme-inc", rule_id)
    assert (row["unanswered"], row["enabled"], row["notices"]) == (2, True, 1)
    assert "plan" in row["unanswered_because"]
    changed = RuleDefinition.model_validate(
        {"name": "r", "when": "true", "then": [{"channel": "email", "to": "a@example.com"}]}
    )
    tenants.change_rule("acme-inc", rule_id, disabled="for a test")
    tenants.put_rule("acme-inc", rule_id, changed)
    [row] = tenants.rules("acme-inc", rule_id)
    assert (row["version"], row["unanswered"], row["enabled"]) == (2, 0, True)


def test_a_rule_that_is_switched_off_or_deleted_is_not_evaluated(
    store: PostgresSignalStore, database: Database, rule: UUID
) -> None:
    tenants = PostgresTenants(database)
    tenants.change_rule("acme-inc", rule, disabled="for a test")
    assert record(store, [signal(1, account_id="a")]).notices == {}
    tenants.change_rule("acme-inc", rule)
    assert record(store, [signal(2, account_id="b")]).notices != {}
    tenants.change_rule("acme-inc", rule, deleted=True)
    assert record(store, [signal(3, account_id="c")]).notices == {}
    assert tenants.rules("acme-inc") == []


def test_postgresql_adds_up_signals_exactly_as_the_engine_does(store: PostgresSignalStore, database: Database) -> None:
    """So what an account was at a moment is the same number, wherever it comes from."""
    chance = random.Random(11)
    kinds = sorted({kind.type for kind in EVENT_TYPES.values() if kind.points})
    own = replace(EVENT_TYPES["demo_completed"], name="note.taken", points=-7, half_life_days=3650, prefix="")
    moments = [NOW - timedelta(days=chance.uniform(0, 4000), microseconds=number) for number in range(400)]
    signals = [
        signal(number, kind=own if number % 20 == 0 else EVENT_TYPES[chance.choice(kinds)], occurred_at=at)
        for number, at in enumerate(moments)
    ]
    record(store, signals)
    with database.transaction() as tx:
        for at in chance.sample(moments, 10):
            expected: dict[Slot, Sum] = {}
            for each in signals:
                if each.event.occurred_at <= at:
                    score.add(expected, *score.contribution(each.event.kind, each.event.occurred_at, named=False))
            known = known_at(tx, "acme-inc", "globex", at)
            assert known is not None
            assert known.sums == expected
        now = known_at(tx, "acme-inc", "globex", NOW)
        assert now is not None
        then = sums_then(tx, "acme-inc", "globex", NOW)[""]
        assert now.sums.items() <= then.items()


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, ["hot", "warm", "cool", "Cold-1", "busy"]),
        ({"band": "hot"}, ["hot"]),
        ({"band": "warm"}, ["warm"]),
        ({"band": "cold"}, ["Cold-1", "busy"]),
        ({"active": "rep"}, ["busy"]),
        ({"active": "buyer"}, ["hot", "warm", "cool", "Cold-1"]),
        ({"prefix": "CO"}, ["cool", "Cold-1"]),
        ({"prefix": "c%"}, []),
        ({"changed_since": NOW - timedelta(hours=1)}, ["hot", "busy"]),
        ({"by": "rep"}, ["busy", "Cold-1", "cool", "hot", "warm"]),
    ],
)
def test_accounts_are_chosen_by_band_side_name_and_change(
    store: PostgresSignalStore, database: Database, asked: dict[str, Any], expected: list[str]
) -> None:
    earlier = NOW - timedelta(days=1)
    happened = [
        ("hot", "demo_completed", NOW),
        ("warm", "proposal_viewed", earlier),
        ("cool", "email_clicked", earlier),
        ("cool", "email_clicked", earlier),
        ("Cold-1", "email_opened", earlier),
        ("busy", "call_made", NOW),
    ]
    record(
        store,
        [
            signal(number, account_id=account, kind=EVENT_TYPES[alias], occurred_at=at, received_at=at)
            for number, (account, alias, at) in enumerate(happened)
        ],
    )
    reader, choice = Reader(database), Choice(**asked)
    pages: list[dict[str, Any]] = []
    listed = reader.accounts("acme-inc", NOW, PAGE, choice)
    assert [row["account_id"] for row in listed.rows] == expected
    assert (listed.total, listed.exact) == (len(expected), True)
    page: Page | None = Page(number=1, limit=1)
    while page:
        listed = reader.accounts("acme-inc", NOW + timedelta(days=len(pages)), page, choice)
        pages += listed.rows
        page = Page(number=page.number + 1, limit=1, after=listed.next) if listed.next else None
    assert [row["account_id"] for row in pages] == expected, "by cursor, all as of the first page's moment"
