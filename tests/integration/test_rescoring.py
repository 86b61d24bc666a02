"""A past that is scored anew by another model is what it would have been, had that model always counted."""

from __future__ import annotations

import json
import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from events.cloudevent import event_id
from events.errors import Refused
from functions.adapters.postgres.database import Database
from functions.adapters.postgres.models import PostgresModels
from functions.adapters.postgres.rescoring import PostgresRescoring
from functions.adapters.postgres.signal_store import PostgresSignalStore
from functions.adapters.postgres.tenants import PostgresTenants
from functions.cli.__main__ import main
from functions.domain import history
from functions.domain.catalog import EVENT_TYPES
from functions.domain.model import ScoringModel
from functions.domain.rescoring import Rescored
from functions.domain.signal import Signal
from functions.service import models
from functions.service.principal import OPERATOR
from functions.service.rescoring import rescore
from tests.integration.test_signal_store import NOW, signal
from tests.servers.recording import record

LIVE, ALWAYS = "live", "always"
EVER = datetime.fromisoformat("1970-01-01T00:00:00Z")
KINDS = [EVENT_TYPES[name] for name in sorted({kind.type for kind in EVENT_TYPES.values() if kind.points})]
MODEL = ScoringModel.model_validate(
    {
        "k": 40,
        "types": {
            "demo_completed": {"points": 90, "halfLifeDays": 200},
            "page_viewed": {"points": 0},
            "email_sent": {"halfLifeDays": 30},
            "email_bounced": {"points": 10},
        },
        "rollup": {"highest": 0.8, "rest": 0.2},
    }
)


@pytest.fixture
def stores(database: Database) -> tuple[PostgresModels, PostgresRescoring]:
    for tenant in (LIVE, ALWAYS):
        PostgresTenants(database).put(tenant, tenant)
    return PostgresModels(database, confined=False), PostgresRescoring(database)


def happened(tenant: str, first: int, count: int, days: float) -> list[Signal]:
    """Signals of a few accounts, the same for every tenant."""
    chance = random.Random(first)
    return [
        signal(
            number,
            tenant_id=tenant,
            id=event_id(tenant, "/tests", str(number)),
            kind=(kind := chance.choice(KINDS)),
            account_id=chance.choice(["loud", "loud", "other", "quiet"]),
            contact_id="reader" if kind.name == "page.viewed" else chance.choice(["jo", "kim", "lee", None]),
            occurred_at=(at := NOW - timedelta(days=days * (1 - (number - first) / count))),
            received_at=at,
        )
        for number in range(first, first + count)
    ]


def kept(database: Database, tenant: str) -> dict[str, list[Any]]:
    """All that is kept of a tenant's accounts but their insights, sums in a fixed order."""
    found: dict[str, list[Any]] = {}
    statements = {
        "accounts": "SELECT account_id, slots, engaged, engagement_rank, effort_rank, slow, days_until"
        " FROM accounts WHERE tenant_id = :tenant ORDER BY account_id",
        "contacts": "SELECT account_id, contact_id, slots, rank, slow FROM contacts"
        " WHERE tenant_id = :tenant AND CAST(slots AS text) <> '[]' ORDER BY account_id, contact_id",
        "days": "SELECT account_id, contact_id, day, event_type, side, half_life_days, era, total, events, latest"
        " FROM contact_days WHERE tenant_id = :tenant ORDER BY 1, 2, 3, 4, 5, 6",
        "signals": "SELECT source_id, points, half_life_days, side FROM signals"
        " WHERE tenant_id = :tenant AND source = '/tests' ORDER BY 1",
    }
    with database.transaction() as tx:
        for name, statement in statements.items():
            rows = tx._connection.run(statement, tenant=tenant)
            found[name] = [[sorted(each) if isinstance(each, list) else each for each in row] for row in rows]
    return found


def rescored(stores: tuple[PostgresModels, PostgresRescoring], **changes: Any) -> Rescored:
    asked = {"switch": True, "since": EVER, "now": NOW, "progress": lambda _: None, **changes}
    return rescore(stores, OPERATOR, LIVE, asked.pop("model", MODEL), **asked)


@pytest.mark.parametrize("fewest", [5, 10_000], ids=lambda fewest: f"days from {fewest} events on")
def test_what_is_scored_anew_is_as_if_the_model_had_always_counted(
    database: Database,
    stores: tuple[PostgresModels, PostgresRescoring],
    monkeypatch: pytest.MonkeyPatch,
    fewest: int,
) -> None:
    fold = history.fold
    monkeypatch.setattr(
        history, "fold", lambda accounts, new, moved: fold(accounts, new, moved, fewest, passed=3 * fewest)
    )
    store = PostgresSignalStore(database)
    models.put(stores[0], OPERATOR, ALWAYS, MODEL)
    for tenant in (LIVE, ALWAYS):
        for start in range(0, 300, 60):
            record(store, happened(tenant, start, 60, 120 - start / 4))
    before = kept(database, LIVE)
    assert before != kept(database, ALWAYS)
    rehearsed = rescored(stores, switch=False)
    assert kept(database, LIVE) == before, "a rehearsal writes nothing"
    found = rescored(stores)
    assert found == rehearsed
    assert (found.accounts, models.newest(stores[0], OPERATOR, LIVE).version) == (3, 2)
    worth = [[row[1:3] for row in each["signals"]] for each in (before, kept(database, LIVE))]
    assert found.signals == sum(old != new for old, new in zip(*worth, strict=True)) > 0
    assert bool(before["days"]) == (fewest < 100)
    assert kept(database, LIVE) == kept(database, ALWAYS)
    for tenant in (LIVE, ALWAYS):
        record(store, happened(tenant, 1000, 60, 5))
    assert kept(database, LIVE) == kept(database, ALWAYS), "and goes on so"
    assert rescored(stores).signals == 0


def test_only_events_since_a_moment_are_scored_anew(
    database: Database, stores: tuple[PostgresModels, PostgresRescoring]
) -> None:
    ages = {number: NOW - timedelta(days=number) for number in (20, 5)}
    old_and_new = [
        signal(number, tenant_id=LIVE, id=event_id(LIVE, "/tests", str(number)), occurred_at=at)
        for number, at in ages.items()
    ]
    record(PostgresSignalStore(database), old_and_new)
    assert rescored(stores, since=NOW - timedelta(days=10)).signals == 1
    assert [row[1:3] for row in kept(database, LIVE)["signals"]] == [[60, 60], [90, 200]]


def test_accounts_that_change_their_band_are_named_and_nobody_is_notified(
    database: Database,
    stores: tuple[PostgresModels, PostgresRescoring],
    database_url: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    kinds = {"a": "demo_completed", "b": "email_clicked", "c": "pricing_viewed"}
    record(
        PostgresSignalStore(database),
        [
            signal(n, tenant_id=LIVE, id=event_id(LIVE, "/tests", str(n)), account_id=account, kind=EVENT_TYPES[kind])
            for n, (account, kind) in enumerate(kinds.items())
        ],
    )
    types = {"demo_completed": {"points": 30}, "email_clicked": {"points": 15}}
    softer = ScoringModel.model_validate({"types": types})
    found = rescored(stores, switch=False, model=softer)
    assert (found.signals, found.accounts, found.moved) == (2, 3, 2)
    assert [tuple(each) for each in found.moves] == [
        ("a", 63.2, 39.3, "hot", "warm"),  # 100 x (1 - e^(-30/60))
        ("b", 9.5, 22.1, "cold", "cool"),
    ]
    file = tmp_path / "new.json"
    file.write_text(softer.model_dump_json(), "utf-8")
    env = {"DATABASE_URL": database_url, "REDIS_URL": "redis://127.0.0.1:1"}
    command = ["replay", "--tenant", LIVE, "--model", str(file)]
    assert main(command, env) == 0
    assert "2 of 3 accounts would change their band" in capsys.readouterr().err
    assert models.newest(stores[0], OPERATOR, LIVE).version == 1
    assert main([*command, "--switch", "--json"], env) == 0
    assert json.loads(capsys.readouterr().out)["moved"] >= 1
    assert models.newest(stores[0], OPERATOR, LIVE).version == 2
    with database.transaction() as tx:
        assert tx._connection.run("SELECT count(*) FROM notices") == [[0]]


def test_there_must_be_such_a_tenant(stores: tuple[PostgresModels, PostgresRescoring]) -> None:
    with pytest.raises(Refused) as refused:
        rescore(stores, OPERATOR, "nobody", MODEL, switch=True, since=EVER, now=NOW, progress=lambda _: None)
    assert refused.value.status == 404
