"""The API as it is put together: what its reads keep to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from functions.adapters.postgres.pages import Page
from functions.adapters.postgres.reader import Reader
from functions.adapters.postgres.signal_lists import SignalQuery
from functions.api.main import _function


@pytest.fixture
def reader(database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    """The reader of an API that was put together from its environment."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("REDIS_URL", redis_url)
    reader = _function.__wrapped__().backends.reader
    with closing(reader._database):
        yield reader


def test_six_deep_pages_leave_a_connection_no_plan_that_forgets_who_asks(reader: Reader) -> None:
    asked = SignalQuery(tenant_id="acme", filters={})
    for _ in range(7):
        reader.signals(asked, Page(number=100, limit=100))
        reader.notices("acme", Page(number=100, limit=100))
        reader.statistics(asked)
    with reader._database.transaction() as tx:
        kept = tx._connection.run("SELECT statement, generic_plans FROM pg_prepared_statements")
    assert len(kept) >= 5
    assert [statement for statement, generic in kept if generic] == []
