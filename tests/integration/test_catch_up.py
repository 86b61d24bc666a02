"""The clock tells index and notify what they were not told of while too much waited, all of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from events import channel, keyspace
from events.channel import Channel
from events.settings import TickSettings
from functions.adapters.postgres.database import connect
from functions.adapters.redis.behind import BehindChannel
from functions.local.postgres import as_login
from functions.service import catch_up
from tests.servers.lanes import waiting
from tests.servers.parts import PASSWORD

#: When the first signal was processed; the others follow a second apart, so that they take several slices of time.
BEGAN = datetime(2026, 11, 1, 12, tzinfo=UTC)
SIGNALS = 1_500
ENDED = BEGAN + timedelta(seconds=SIGNALS)
_SIGNALS = """
INSERT INTO signals (tenant_id, id, source, source_id, event_type, account_id, signal_type, signal_score, side, points,
                     half_life_days, "timestamp", received_at, processed_at, reasons)
SELECT :tenant, gen_random_uuid(), '/s', number, 'email_opened', 'a', 'engagement', 0.3, 'buyer', 1, 7,
       at, at, at, '[]'
FROM generate_series(CAST(:first AS integer), CAST(:last AS integer)) AS number,
     LATERAL (SELECT CAST(:began AS timestamptz) + number * CAST('1 second' AS interval) AS at) AS moment
"""
_NOTICES = """
INSERT INTO notices (tenant_id, id, kind, title, recipient, event_id, created_at)
SELECT 'acme', gen_random_uuid(), 'quota', 'note', 'a@b.example', gen_random_uuid(), :at
FROM generate_series(1, CAST(:most AS integer))
"""


@dataclass
class Installation:
    """One whose signals and notices are recorded, and its Redis, which knows nothing of them."""

    settings: TickSettings
    redis: Any
    sql: Any

    def left_out(self, name: str, since: datetime, last: datetime) -> None:
        """Note what settle notes."""
        noted = {"since": since.isoformat().replace("+00:00", "Z"), "last": int(last.timestamp() * 1000)}
        self.redis.hset(keyspace.behind_key(name, 0), mapping={**noted, "left_out": 1})

    def look(self, **changed: Any) -> int:
        """Have the clock look once, for as long as it takes; return how many entries were published."""
        return catch_up.catch_up(replace(self.settings, **changed), ENDED, lambda: 0.0)

    def drained(self, name: str) -> list[dict[str, Any]]:
        """Take what waits in a channel."""
        found = waiting(self.redis, name, 0, keyspace.SLOW)
        self.redis.delete(keyspace.stream_key(name, 0, keyspace.SLOW), keyspace.bytes_key(0))
        return found

    def recorded(self, since: datetime = BEGAN) -> set[str]:
        rows = self.sql.run("SELECT CAST(id AS text) FROM signals WHERE processed_at >= :since", since=since)
        return {row[0] for row in rows}

    def is_behind(self, name: str = "signals") -> bool:
        return BehindChannel(self.redis, name, 0).stretch() is not None


@pytest.fixture
def world(database_url: str, redis_url: str) -> Iterator[Installation]:
    stores = {"DATABASE_URL": as_login(database_url, "tick", PASSWORD), "REDIS_URL": redis_url}
    settings = TickSettings.read({**stores, "SSPP_SEARCH": "elasticsearch"})
    with closing(connect(database_url)) as sql, closing(channel.connect(redis_url)) as client:
        sql.run(_SIGNALS, tenant="acme", first=0, last=SIGNALS - 1, began=BEGAN)
        yield Installation(settings, client, sql)


def test_where_nothing_was_left_out_postgresql_is_not_asked(world):
    assert world.look(database_url="postgresql://u@127.0.0.1:9/x") == 0


def test_where_postgresql_searches_nobody_is_told_of_signals(world):
    world.left_out("signals", BEGAN, ENDED)
    assert world.look(search="postgres") == 0
    assert world.drained("signals") == []


def test_every_signal_of_the_time_is_told_of_though_there_is_little_room(world):
    world.left_out("signals", BEGAN, ENDED)
    told: list[str] = []
    looks = 0
    while world.is_behind():
        assert world.look(max_waiting_bytes=4_000_000) <= 550, "more than half of a tenth waits"
        assert world.look(max_waiting_bytes=4_000_000) == 0, "there is room"
        told += [event["id"] for event in world.drained("signals")]
        looks += 1
    assert looks in {4, 5}
    assert sorted(told) == sorted(world.recorded())


def test_a_page_ends_between_two_moments(world):
    world.sql.run("UPDATE signals SET processed_at = :at", at=BEGAN)
    world.left_out("signals", BEGAN, BEGAN)
    assert world.look(max_waiting_bytes=4_000_000) == SIGNALS
    assert len(world.drained("signals")) == SIGNALS
    assert world.look(max_waiting_bytes=4_000_000) == 0
    assert not world.is_behind()


def test_only_the_time_that_was_missed_is_looked_through(world):
    world.left_out("signals", ENDED - timedelta(minutes=1), ENDED)
    expected = world.recorded(ENDED - timedelta(minutes=6))
    assert world.look() in {len(expected), len(expected) - 1}


def test_a_look_that_takes_long_goes_on_with_the_next(world, monkeypatch):
    world.left_out("signals", BEGAN, ENDED)
    monkeypatch.setattr(catch_up, "AT_ONCE", 100)
    ticks = iter(range(0, 10_000, 5))
    published = catch_up.catch_up(world.settings, ENDED, lambda: float(next(ticks)))
    assert 0 < published < SIGNALS
    assert world.is_behind()
    assert published + world.look() == SIGNALS
    assert not world.is_behind()


def test_what_is_left_out_during_a_look_is_not_forgotten(world, monkeypatch):
    world.left_out("signals", BEGAN, ENDED)
    publish = BehindChannel.publish

    def meanwhile(self: BehindChannel, events: list[bytes]) -> None:
        publish(self, events)
        world.redis.hincrby(keyspace.behind_key("signals", 0), "left_out", 1)

    monkeypatch.setattr(BehindChannel, "publish", meanwhile)
    assert world.look() > 0
    monkeypatch.undo()
    assert world.is_behind()
    world.look()
    assert {event["id"] for event in world.drained("signals")} == world.recorded()


def test_a_partition_is_told_of_its_own_tenants_alone(world):
    ours = next(name for name in ("b", "c", "d", "e") if keyspace.partition_of(name, 2) == 0)
    theirs = next(name for name in ("b", "c", "d", "e") if keyspace.partition_of(name, 2) == 1)
    world.sql.run("DELETE FROM signals")
    for tenant in (ours, theirs):
        world.sql.run(_SIGNALS, tenant=tenant, first=0, last=9, began=BEGAN)
    world.left_out("signals", BEGAN, ENDED)
    assert world.look(partitions=2) == 10
    assert {event["sspptenant"] for event in world.drained("signals")} == {ours}


def test_notices_that_are_due_and_not_sent_are_told_of_until_none_is_left(world):
    world.sql.run(_NOTICES, at=BEGAN, most=1_200)
    world.left_out("notices", BEGAN, ENDED)
    told = 0
    while world.is_behind("notices"):
        told += world.look()
        for event in world.drained("notices"):  # as notify does
            world.sql.run("UPDATE notices SET sent_at = now() WHERE id = :id", id=event["data"]["noticeId"])
    assert told == 1_200


def test_what_is_made_up_for_does_not_delay_what_is_new(world):
    world.left_out("signals", BEGAN, ENDED)
    assert world.look() == SIGNALS
    assert Channel(world.redis, "signals", 0, "a").depth() == 0


def test_an_event_without_a_time_of_receipt_is_looked_for_a_week_back(world):
    world.redis.hset(
        keyspace.behind_key("signals", 0), mapping={"since": "", "last": int(ENDED.timestamp() * 1000), "left_out": 1}
    )
    world.sql.run(_SIGNALS, tenant="acme", first=0, last=0, began=ENDED - timedelta(days=6))
    assert world.look() == SIGNALS + 1
