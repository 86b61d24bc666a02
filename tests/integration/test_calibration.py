"""Calibration on PostgreSQL: a past that is loaded as history, and what it says of the scores."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import timedelta

import pytest

from events.cloudevent import event_id
from events.errors import Refused
from functions.adapters.postgres import outcomes
from functions.adapters.postgres.database import Database
from functions.adapters.postgres.models import PostgresModels
from functions.adapters.postgres.signal_store import PostgresSignalStore
from functions.adapters.postgres.tenants import PostgresTenants
from functions.cli.__main__ import main
from functions.domain.calibration import Calibration
from functions.domain.catalog import EVENT_TYPES
from functions.domain.model import ScoringModel
from functions.domain.signal import Signal
from functions.service import models
from functions.service.principal import OPERATOR
from tests.integration.test_signal_store import signal
from tests.servers.funnel import DEALS, LEADS, NOW, PLANTED, Happened, funnel
from tests.servers.recording import record

TENANT = "acme-inc"


@pytest.fixture
def known(database: Database) -> PostgresModels:
    PostgresTenants(database).put(TENANT, "Acme")
    return PostgresModels(database, confined=False)


def signals(happened: Iterable[Happened]) -> list[Signal]:
    """What happened, as events that are sent later as history."""
    return [
        signal(
            number,
            id=event_id(TENANT, "/history", str(number)),
            kind=EVENT_TYPES[each.kind],
            account_id=each.account_id,
            contact_id=each.contact_id,
            occurred_at=each.at,
            received_at=NOW,
        )
        for number, each in enumerate(happened)
    ]


def loaded(database: Database, happened: Sequence[Happened]) -> None:
    store, given = PostgresSignalStore(database), signals(happened)
    for start in range(0, len(given), 500):
        record(store, given[start : start + 500])


def report(known: PostgresModels) -> Calibration:
    return models.calibrate(known, OPERATOR, TENANT, NOW)


@pytest.mark.parametrize(
    "leads", [LEADS // 5, pytest.param(LEADS, marks=pytest.mark.long)], ids=lambda leads: f"{leads} leads"
)
def test_the_funnel_of_a_market_place_has_a_lift_and_its_planted_order(
    database: Database, known: PostgresModels, leads: int
) -> None:
    past = funnel(7, leads=leads)
    loaded(database, [each for lead in past for each in lead.happened])
    found = report(known)
    assert (found.complete, found.all.accounts) == (True, leads)
    assert found.all.won == round(leads * DEALS / LEADS)
    assert found.deciles[0].share.lift >= 3
    assert found.hot.lift >= 3
    assert [EVENT_TYPES[each.event_type].alias for each in found.types] == list(PLANTED)


def test_an_account_counts_as_it_was_just_before_its_newest_outcome(database: Database, known: PostgresModels) -> None:
    day = timedelta(days=1)
    demo, pricing = "demo_completed", "pricing_viewed"
    happened = [
        *(Happened(f"won-{n}", "jo", demo, NOW - 100 * day) for n in range(50)),
        *(Happened(f"won-{n}", "jo", "deal_lost", NOW - 99 * day) for n in range(50)),
        *(Happened(f"won-{n}", "jo", pricing, NOW - 40 * day) for n in range(50)),
        *(Happened(f"won-{n}", "jo", "deal_won", NOW - 40 * day) for n in range(50)),
        *(Happened(f"won-{n}", "jo", "trial_started", NOW - 39 * day) for n in range(50)),
        *(Happened(f"open-{n}", "jo", "page_viewed", NOW) for n in range(50)),
    ]
    loaded(database, happened)
    found = report(known)
    assert (found.outcomes, found.all.accounts, found.all.won) == (50, 100, 50)
    # 60 points of a demo 60 days ago are 30: 100 x (1 - e^(-30/60)). What came with the outcome or later is not in it.
    assert (found.deciles[0].highest, found.deciles[4].lowest, found.deciles[5].highest) == (39.3, 39.3, 3.3)
    assert [(each.event_type, each.share.accounts) for each in found.types] == [
        ("io.sspp.demo.completed", 50),
        ("io.sspp.page.viewed", 50),
    ]


def test_a_report_looks_at_no_more_than_it_says(
    database: Database, known: PostgresModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened = [
        *(Happened(f"won-{n}", "jo", "deal_won", NOW - timedelta(days=n)) for n in range(80)),
        *(Happened(f"open-{n}", "jo", "demo_completed", NOW) for n in range(80)),
    ]
    loaded(database, happened)
    assert report(known).complete
    monkeypatch.setattr(outcomes, "MOST_OUTCOMES", 60)
    monkeypatch.setattr(outcomes, "MOST_OTHERS", 30)
    found = report(known)
    assert (found.complete, found.outcomes) == (False, 60)
    assert 60 < found.all.accounts <= 60 + 90


def test_the_report_is_of_the_newest_version(database: Database, known: PostgresModels) -> None:
    happened = [
        *(Happened(f"won-{n}", "jo", "demo_completed", NOW) for n in range(60)),
        *(Happened(f"won-{n}", "jo", "deal_won", NOW + timedelta(seconds=1)) for n in range(60)),
    ]
    loaded(database, happened)
    assert (report(known).version, report(known).hot.accounts) == (1, 60)
    models.put(known, OPERATOR, TENANT, ScoringModel.model_validate({"bands": {"hot": 90}}))
    assert (report(known).version, report(known).hot.accounts) == (2, 0)


@pytest.mark.parametrize(("tenant", "status"), [(TENANT, 422), ("nobody", 404)])
def test_without_outcomes_there_is_no_report(
    database: Database, known: PostgresModels, tenant: str, status: int
) -> None:
    loaded(database, [Happened(f"open-{n}", "jo", "demo_completed", NOW) for n in range(60)])
    with pytest.raises(Refused) as refused:
        models.calibrate(known, OPERATOR, tenant, NOW)
    assert refused.value.status == status


def test_the_command_line_shows_the_report(
    database: Database, known: PostgresModels, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    happened = [
        *(Happened(f"won-{n}", "jo", "demo_completed", NOW - timedelta(days=1)) for n in range(60)),
        *(Happened(f"won-{n}", "jo", "deal_won", NOW - timedelta(days=1) + timedelta(seconds=1)) for n in range(60)),
        *(Happened(f"open-{n}", "jo", "page_viewed", NOW) for n in range(60)),
    ]
    loaded(database, happened)
    env = {"DATABASE_URL": database_url, "REDIS_URL": "redis://127.0.0.1:1"}
    assert main(["model", "calibrate", TENANT], env) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[:3] == [
        "60 of 120 accounts won; 60 have an outcome",
        "hot: 60 of 60 won, 100% of all won",
        "bands by these outcomes: hot 63.2",
    ]
    assert shown[4].split() == ["1", "63.2", "-", "63.2", "12", "12", "100.0%", "2.00"]
    assert shown[-2].split() == ["io.sspp.demo.completed", "60", "60", "60", "100.0%", "2.00"]
    assert main(["model", "calibrate", TENANT, "--json"], env) == 0
    assert json.loads(capsys.readouterr().out)["hot"]["accounts"] == 60
