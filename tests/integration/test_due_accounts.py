"""Accounts that are due are found by an index, however many others there are."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import timedelta

import pytest

from functions.adapters.postgres.database import Database, connect
from functions.adapters.postgres.signal_store import PostgresSignalStore
from functions.adapters.postgres.statements import statements
from functions.adapters.postgres.tenants import PostgresTenants
from functions.domain.evaluation import STOPPED_CLOCKS
from functions.process.handler import MOST_DUE, look_at_due
from tests.integration.test_signal_store import NOW, signal
from tests.servers.recording import record

#: So many others there are beside those that are due.
OTHERS = 20_000
DAY = timedelta(days=1)


@pytest.mark.alone
def test_a_thousand_due_accounts_are_looked_at_in_two_seconds_and_no_other_is_touched(database_url: str) -> None:
    with closing(Database(database_url)) as database, closing(connect(database_url)) as owner:
        PostgresTenants(database).put("acme-inc", "Acme")
        store = PostgresSignalStore(database)
        demos = [signal(number, account_id=f"account-{number}", contact_id="ann") for number in range(MOST_DUE)]
        for first in range(0, MOST_DUE, 250):
            record(store, demos[first : first + 250])
        owner.run(
            "INSERT INTO accounts (tenant_id, account_id, slots, watch, next_due, as_of)"
            " SELECT 'acme-inc', 'other-' || n, slots, watch, now() + interval '10 years', as_of"
            " FROM accounts, generate_series(1, :others) AS n WHERE account_id = 'account-0'",
            others=OTHERS,
        )
        owner.run("ANALYZE accounts")
        sql = statements()["lock_due"].replace(":until", f"'{NOW + 6 * DAY}'").replace(":most", str(MOST_DUE))
        plan = "\n".join(row[0] for row in owner.run(f"EXPLAIN {sql}"))
        assert "Index Scan using accounts_due" in plan, plan
        untouched = owner.run("SELECT account_id, CAST(xmin AS text) FROM accounts WHERE account_id LIKE 'other-%'")

        started = time.perf_counter()
        looked = look_at_due(store, NOW + 5 * DAY, STOPPED_CLOCKS)
        took_s = time.perf_counter() - started

        assert looked.more
        assert not look_at_due(store, NOW + 5 * DAY, STOPPED_CLOCKS).recorded.insights
        [[opened]] = owner.run("SELECT count(*) FROM insights WHERE kind = 'no_next_step'")
        assert opened == MOST_DUE
        still = owner.run("SELECT account_id, CAST(xmin AS text) FROM accounts WHERE account_id LIKE 'other-%'")
        assert sorted(still) == sorted(untouched)
        assert took_s < 2, took_s
