"""How a tenant's accounts are spread over the scores, read from PostgreSQL."""

from __future__ import annotations

from functions.adapters.postgres import spreads
from functions.adapters.postgres.database import Database
from functions.adapters.postgres.reader import Reader
from functions.adapters.postgres.signal_store import PostgresSignalStore
from functions.domain.catalog import EVENT_TYPES
from tests.integration.test_signal_store import NOW, signal
from tests.servers.recording import record

TENANT = "acme-inc"


def test_all_accounts_are_compared_or_some_that_are_drawn(database: Database) -> None:
    pages = EVENT_TYPES["page_viewed"]
    accounts = [f"account-{number:03}" for number in range(300)]
    demos = [signal(n, account_id=name) for n, name in enumerate(accounts[:30])]
    views = [signal(1000 + n, account_id=name, kind=pages) for n, name in enumerate(accounts[30:])]
    record(PostgresSignalStore(database), [*demos, *views, signal(2000, tenant_id="other")])
    reader = Reader(database)
    found = reader.spread(TENANT, NOW)
    assert (len(found.scores), found.complete) == (300, True)
    assert (found.quantile(0.5), found.quantile(0.9), found.quantile(0.91)) == (3.3, 3.3, 63.2)
    assert (found.percentile(63.2), found.percentile(3.3)) == (95, 45)
    assert reader.spread("nobody", NOW) == ([], True)


def test_drawn_accounts_are_spread_as_all_are(database: Database, monkeypatch) -> None:
    monkeypatch.setattr(spreads, "MOST", 100)
    kinds = [EVENT_TYPES[alias] for alias in ("demo_completed", "pricing_viewed", "page_viewed")]
    happened = [signal(n, account_id=f"account-{n:04}", kind=kinds[n * 3 // 1200]) for n in range(1200)]
    record(PostgresSignalStore(database), happened)
    found = Reader(database).spread(TENANT, NOW)
    assert (len(found.scores), found.complete) == (100, False)
    assert 15 < sum(score > 60 for score in found.scores) < 55, "a third, by chance a few more or less"
    assert Reader(database).spread(TENANT, NOW) == found
