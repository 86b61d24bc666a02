"""The copy in Elasticsearch is made anew while it is searched, and what it lacks is found."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from elasticsearch import Elasticsearch

from events.errors import Refused
from functions.adapters.elasticsearch.rebuilt import RebuiltIndex
from functions.adapters.elasticsearch.search import ElasticsearchIndex
from functions.adapters.postgres.database import Database
from functions.adapters.postgres.recorded_signals import PostgresRecordedSignals
from functions.domain.search import SearchQuery
from functions.service import search_copy
from tests.contract.searched import Searched
from tests.contract.test_search_index import NOON, signal

TENANT = "acme"


@dataclass
class World:
    """Signals in PostgreSQL and their copy behind an alias of the test's own."""

    url: str
    place: str
    server: Elasticsearch
    searched: Searched
    recorded: PostgresRecordedSignals

    def put(self, number: int, **fields: Any) -> list[str]:
        """Record signals and copy them; return their ids."""
        signals = [signal(TENANT, **fields) for _ in range(number)]
        self.searched.put(signals)
        return [each.event.id for each in signals]

    def found(self) -> set[str]:
        answer = self.searched.search(SearchQuery(tenant_id=TENANT, limit=100))
        return {hit.row["id"] for hit in answer.hits}

    def rebuild(self, tell: Any = lambda copied, about: None, *, again: bool = False) -> int:
        with closing(RebuiltIndex(self.url, place=self.place)) as index:
            return search_copy.rebuild(self.recorded, index, lambda: datetime.now(UTC), tell, again=again)

    def lose(self, id_: str) -> None:
        self.server.delete(index=self.place, id=f"{TENANT}:{id_}", routing=TENANT, refresh=True)

    def drift(self) -> list[dict[str, Any]]:
        return search_copy.drift(self.recorded, self.searched.index, [TENANT, "nobody"])

    def indexes(self) -> list[str]:
        return sorted(self.server.indices.get_alias(index=f"{self.place}-*"))


@pytest.fixture
def world(elasticsearch_url: str, database_url: str) -> Iterator[World]:
    place = f"place-{uuid4()}"
    with (
        closing(Elasticsearch(elasticsearch_url, request_timeout=30)) as server,
        closing(ElasticsearchIndex(elasticsearch_url, alias=place)) as copy,
        closing(Database(database_url)) as database,
    ):
        searched = Searched(database, copy, copy)
        yield World(elasticsearch_url, place, server, searched, PostgresRecordedSignals(database))
        for name in server.indices.get_alias(index=f"{place}-*"):
            server.indices.delete(index=name)


def test_a_rebuilt_copy_has_all_signals_those_that_came_meanwhile_too(world, monkeypatch):
    monkeypatch.setattr(search_copy, "AT_ONCE", 4)
    monkeypatch.setattr(search_copy, "MARGIN", timedelta(0))
    expected = set(world.put(10))
    for id_ in sorted(expected)[:3]:
        world.lose(id_)
    steps: list[tuple[int, int]] = []

    def meanwhile(copied: int, about: int) -> None:
        steps.append((copied, about))
        assert world.found(), "the old one is searched until the new one is whole"
        if len(steps) == 2:
            expected.update(world.put(2))

    copied = world.rebuild(meanwhile)
    assert (len(expected), copied in {10, 11, 12}) == (12, True)
    assert steps[0][0] == 4
    assert all(copied <= about for copied, about in steps)
    assert world.found() == expected
    assert world.drift() == []
    assert world.indexes() == [f"{world.place}-v2"], "the old one is gone"
    expected.update(world.put(1))
    world.rebuild()
    assert (world.found(), world.indexes()) == (expected, [f"{world.place}-v3"])


def test_what_was_copied_to_the_old_one_at_the_last_moment_is_in_the_new_one(world, monkeypatch):
    expected = set(world.put(1))
    take_over = RebuiltIndex.take_over

    def just_before(index: RebuiltIndex) -> None:
        expected.update(world.put(1))
        take_over(index)

    monkeypatch.setattr(RebuiltIndex, "take_over", just_before)
    world.rebuild()
    assert world.found() == expected


def test_the_first_copy_is_made_where_there_was_none(world):
    unsearched = Searched(world.searched.database, world.searched.index)
    one = signal(TENANT)
    unsearched.put([one])
    world.rebuild()
    assert world.found() == {one.event.id}


def test_a_second_rebuild_is_refused_and_one_that_was_interrupted_begun_anew(world):
    expected = set(world.put(3))
    with closing(RebuiltIndex(world.url, place=world.place)) as interrupted:
        interrupted.begin(again=False)
        with pytest.raises(Refused, match="Conflict"):
            world.rebuild()
        assert world.found() == expected
    assert world.rebuild(again=True) == 3
    assert (world.found(), len(world.indexes())) == (expected, 1)


def test_the_days_on_which_the_copy_differs_are_told(world):
    today, other = world.put(3), world.put(2, timestamp=NOON - timedelta(days=1))
    assert world.drift() == []
    world.lose(today[0])
    world.lose(other[0])
    with world.searched.database.transaction() as tx:
        tx._connection.run("DELETE FROM signals WHERE id = :id", id=UUID(other[0]))
        tx._connection.run("DELETE FROM signals WHERE id = :id", id=UUID(other[1]))
    assert world.drift() == [
        {"tenant": TENANT, "day": "2026-03-03", "signals": 0, "copied": 1},
        {"tenant": TENANT, "day": "2026-03-04", "signals": 3, "copied": 2},
    ]
