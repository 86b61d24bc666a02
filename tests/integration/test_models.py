"""Scoring models on PostgreSQL: versions, who may make one, and whose they are."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from events.cloudevent import event_id
from events.errors import Refused, Unavailable
from functions.adapters.postgres.database import Database, connect
from functions.adapters.postgres.models import PostgresModels
from functions.adapters.postgres.pages import Page
from functions.adapters.postgres.reader import Reader
from functions.adapters.postgres.signal_lists import SignalQuery
from functions.adapters.postgres.signal_store import PostgresSignalStore
from functions.adapters.postgres.tenants import PostgresTenants
from functions.domain.catalog import EVENT_TYPES
from functions.domain.key import READ, WRITE_MODEL
from functions.domain.model import DEFAULT, UNCHANGED, ScoringModel
from functions.domain.rule import RuleDefinition
from functions.domain.signal import Signal
from functions.local.postgres import as_login
from functions.service import models
from functions.service.principal import OPERATOR, Principal
from tests.integration.test_signal_store import NOW, signal
from tests.servers.parts import PASSWORD
from tests.servers.recording import record

SHARP, SHARPER = (ScoringModel.model_validate({"bands": {"hot": hot}}) for hot in (70, 80))
KEY = Principal(who="0123456789ab", tenant="acme", scopes=frozenset({READ, WRITE_MODEL}))


@pytest.fixture
def owner(database: Database) -> PostgresModels:
    for tenant in ("acme", "beta"):
        PostgresTenants(database).put(tenant, tenant)
    return PostgresModels(database, confined=False)


@pytest.fixture
def api(owner: PostgresModels, database_url: str) -> Iterator[PostgresModels]:
    """The same models as the API reaches them."""
    with closing(Database(as_login(database_url, "api", PASSWORD))) as database:
        yield PostgresModels(database, confined=True)


def test_a_tenant_without_a_model_has_the_default_as_its_first_version(owner: PostgresModels) -> None:
    assert models.newest(owner, OPERATOR, "acme") == UNCHANGED
    assert models.version(owner, OPERATOR, "acme", 1) == UNCHANGED
    assert models.history(owner, OPERATOR, "acme", most=10) == models.History([models.Change(UNCHANGED, [])], None)
    assert models.put(owner, OPERATOR, "acme", DEFAULT) == UNCHANGED


def test_every_change_is_a_version_and_the_same_again_is_none(owner: PostgresModels, api: PostgresModels) -> None:
    assert models.put(owner, OPERATOR, "acme", SHARP).version == 2
    assert models.put(api, KEY, "acme", SHARPER).version == 3
    assert models.put(api, KEY, "acme", SHARPER).version == 3
    back = models.put(api, KEY, "acme", SHARP)
    assert (back.version, back.model, back.created_by) == (4, SHARP, KEY.who)
    assert back.created_at is not None
    assert models.newest(api, KEY, "acme") == back
    assert models.version(api, KEY, "acme", 2).model == SHARP
    found = models.history(api, KEY, "acme", most=10)
    assert [(each.version.version, each.version.created_by, each.differs) for each in found.changes] == [
        (4, KEY.who, ["bands.hot: 80 -> 70"]),
        (3, KEY.who, ["bands.hot: 70 -> 80"]),
        (2, "operator", ["bands.hot: 60 -> 70"]),
        (1, "platform", []),
    ]
    assert models.newest(api, Principal(who="b", tenant="beta", scopes=KEY.scopes), "beta") == UNCHANGED


def test_a_long_history_comes_in_pages(owner: PostgresModels) -> None:
    for number in range(5):
        models.put(owner, OPERATOR, "acme", SHARP if number % 2 else SHARPER)
    pages: list[list[int]] = []
    before: int | None = None
    while not pages or before is not None:
        found = models.history(owner, OPERATOR, "acme", before=before, most=2)
        pages.append([each.version.version for each in found.changes])
        assert [bool(each.differs) for each in found.changes] == [each > 1 for each in pages[-1]]
        before = found.next
    assert pages == [[6, 5], [4, 3], [2, 1]]


@pytest.mark.parametrize(
    ("by", "tenant", "status"),
    [
        (OPERATOR, "nobody", 404),
        (KEY, "beta", 404),
        (Principal(who="r", tenant="acme", scopes=frozenset({READ})), "acme", 403),
    ],
)
def test_a_model_is_changed_by_those_who_may(api: PostgresModels, by: Principal, tenant: str, status: int) -> None:
    with pytest.raises(Refused) as refused:
        models.put(api, by, tenant, SHARP)
    assert refused.value.status == status
    with pytest.raises(Refused, match="Not found"):
        models.newest(api, by, "nobody")


@pytest.mark.parametrize("number", [0, -1, 3, 2**31])
def test_a_version_that_is_not_there_is_not_found(owner: PostgresModels, number: int) -> None:
    models.put(owner, OPERATOR, "acme", SHARP)
    with pytest.raises(Refused) as refused:
        models.version(owner, OPERATOR, "acme", number)
    assert refused.value.status == 404


def test_the_api_makes_versions_of_its_tenant_alone(api: PostgresModels) -> None:
    with pytest.raises(Unavailable, match="PostgreSQL"), api._database.transaction(tenant="acme") as tx:
        tx.rows("put_model", tenant_id="beta", version=2, definition="{}", created_by="x")
    with pytest.raises(Unavailable), api._database.transaction() as tx:
        tx.rows("put_model", tenant_id="beta", version=2, definition="{}", created_by="x")


def test_two_at_once_make_two_versions_or_hear_of_it(owner: PostgresModels) -> None:
    def change(number: int) -> tuple[int, int]:
        try:
            return 200, models.put(owner, OPERATOR, "acme", ScoringModel(k=100 + number)).version
        except Refused as refusal:
            return refusal.status, 0

    with ThreadPoolExecutor(4) as operators:
        done = list(operators.map(change, range(16)))
    assert {status for status, _ in done} <= {200, 409}
    versions = [version for status, version in done if status == 200]
    assert sorted(versions) == list(range(2, len(versions) + 2))
    assert models.newest(owner, OPERATOR, "acme").version == len(versions) + 1


def test_a_model_that_a_later_release_saved_is_an_outage_not_another_score(
    owner: PostgresModels, database_url: str
) -> None:
    with closing(connect(database_url)) as connection:
        connection.run("INSERT INTO models VALUES ('acme', 2, '{\"new\": 1}', now(), 'operator')")
    with pytest.raises(Unavailable, match="scoring model"):
        models.newest(owner, OPERATOR, "acme")


# --- what a model changes


def happened(number: int, alias: str, **changes: Any) -> Signal:
    kind = EVENT_TYPES[alias]
    return signal(number, tenant_id="acme", id=event_id("acme", "/tests", str(number)), kind=kind, **changes)


def test_a_version_counts_for_the_events_after_it_and_for_how_scores_are_shown(
    owner: PostgresModels, database: Database
) -> None:
    store, reader = PostgresSignalStore(database), Reader(database)
    record(store, [happened(1, "demo_completed", contact_id="jo"), happened(2, "email_sent")])
    [before] = reader.accounts("acme", NOW, Page(number=1, limit=10)).rows
    assert (before["engagement"], before["effort"], before["band"], before["model_version"]) == (63.2, 8.0, "hot", 1)
    changed = {
        "k": 120,
        "bands": {"hot": 90, "warm": 70},
        "types": {"demo_completed": {"points": 90, "halfLifeDays": 30}, "email_sent": {"points": 0}},
    }
    models.put(owner, OPERATOR, "acme", ScoringModel.model_validate(changed))
    [shown] = reader.accounts("acme", NOW, Page(number=1, limit=10)).rows
    # 100 x (1 - e^(-60/120)); the points are those of before.
    assert (shown["engagement"], shown["band"], shown["model_version"]) == (39.3, "cool", 2)
    again = happened(1, "demo_completed", contact_id="jo")
    record(store, [again, happened(3, "demo_completed", contact_id="jo"), happened(4, "email_sent")])
    explained = reader.explained("acme", "globex", NOW)
    assert explained is not None
    [demos] = explained["buyer"].contributions
    assert demos.events == 2
    assert demos.points_now == pytest.approx(60 + 90)
    assert (explained["buyer"].score, explained["buyer"].scoring.version) == (71.3, 2)
    assert [each.points_now for each in explained["rep"].contributions] == [pytest.approx(5)]
    month_on = reader.explained("acme", "globex", NOW + timedelta(days=30))
    assert month_on is not None
    assert month_on["buyer"].contributions[0].points_now == pytest.approx(60 * 0.5**0.5 + 45)
    contacts = reader.contacts("acme", "globex", NOW, Page(number=1, limit=10))
    assert contacts is not None
    assert [(each["contact_id"], each["engagement"], each["band"]) for each in contacts.rows] == [("jo", 71.3, "warm")]
    days = reader.days("acme", "globex", NOW.date(), NOW.date(), NOW)
    assert days is not None
    assert [day.engagement for day in days] == [71.3]
    signals = reader.signals(SignalQuery(tenant_id="acme", filters={}), Page(number=1, limit=10)).rows
    assert sorted(each["points"] for each in signals) == [0, 5, 60, 90]


def test_rules_are_asked_for_scores_as_the_tenants_model_shows_them(owner: PostgresModels, database: Database) -> None:
    tenants = PostgresTenants(database)
    rule = {"name": "80", "when": "account.engagement >= 80", "then": [{"channel": "email", "to": "a@example.com"}]}
    for tenant in ("acme", "beta"):
        tenants.put_rule(tenant, uuid4(), RuleDefinition.model_validate(rule))
    models.put(owner, OPERATOR, "acme", ScoringModel(k=30))
    demos = [signal(each, tenant_id=t, id=event_id(t, "/tests", "1")) for each, t in enumerate(("acme", "beta"))]
    told = record(PostgresSignalStore(database), demos).notices
    assert [tenant for tenant, _ in told] == ["acme"]
    [notice] = Reader(database).notices("acme", Page(number=1, limit=10)).rows
    assert notice["engagement"] == 86.5  # 100 x (1 - e^(-60/30))


def test_a_model_without_a_rollup_adds_all_contacts_up(owner: PostgresModels, database: Database) -> None:
    record(PostgresSignalStore(database), [happened(n, "demo_completed", contact_id=f"c{n}") for n in range(2)])
    explained = Reader(database).explained("acme", "globex", NOW)
    assert explained is not None
    assert explained["buyer"].score == 63.2  # 0.6 x 60 + 0.4 x 60
    models.put(owner, OPERATOR, "acme", ScoringModel(rollup=None))
    explained = Reader(database).explained("acme", "globex", NOW)
    assert explained is not None
    assert explained["buyer"].score == 86.5
