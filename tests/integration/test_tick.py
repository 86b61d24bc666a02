"""``python -m functions.tick`` with a real Redis: one event an hour, which process understands."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import redis

from events import channel, cloudevent, keyspace
from events.channel import Channel
from events.errors import Unavailable
from events.settings import MigrateSettings, TickSettings
from functions import migrate, tick
from functions.adapters.postgres.database import Database, connect
from functions.adapters.postgres.signal_store import PostgresSignalStore
from functions.adapters.postgres.tenants import PostgresTenants
from functions.adapters.redis.admission import count_key
from functions.adapters.redis.directory import COMPLETE, FILLED, key_of
from functions.domain.key import WRITE_EVENTS, Grant, digest
from functions.domain.plan import Plan
from functions.domain.platform_events import NOTICE_DUE, SIGNAL_RECORDED, TICK
from functions.domain.rule import RuleDefinition
from functions.local import ports
from functions.local.postgres import as_login
from functions.service import keys, register, restore, tenants
from functions.service.principal import OPERATOR
from tests.integration.test_signal_store import NOW as SIGNALS_NOW
from tests.integration.test_signal_store import signal
from tests.servers.lanes import waiting
from tests.servers.parts import PASSWORD, until
from tests.servers.recording import record

ROOT = Path(__file__).parents[2]
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
ALWAYS = RuleDefinition.model_validate(
    {"name": "hot", "when": "true", "then": [{"channel": "email", "to": "a@example.com"}]}
)


def run(**given: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": os.environ["PATH"], **given}
    argv = [sys.executable, "-m", "functions.tick"]
    return subprocess.run(argv, env=env, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def settings(database_url: str, redis_url: str) -> TickSettings:
    """A migrated installation with one tenant, whose key is ``key`` and who has had three events processed."""
    env = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "SSPP_SEARCH": "elasticsearch"}
    with register.opened(database_url, redis_url) as known, closing(Database(database_url)) as database:
        tenants.put(known, OPERATOR, "acme-inc", "Acme")
        keys.issue(known, OPERATOR, "key", Grant("acme-inc", frozenset({WRITE_EVENTS})), label="first")
        record(PostgresSignalStore(database), [signal(number) for number in range(3)])
    migrate.run(MigrateSettings.read(env), SIGNALS_NOW)
    return TickSettings.read(env)


def has_all(client: redis.Redis) -> bool:
    """Whether Redis has what it needs to take events."""
    count = client.get(count_key("acme-inc", 0, SIGNALS_NOW))
    groups = client.exists(keyspace.stream_key("notices", 0, keyspace.SLOW))
    return (count, client.exists(key_of(digest("key")), COMPLETE), groups) == (b"3", 2, 1)


def test_a_redis_that_came_back_empty_is_filled(settings):
    with redis.Redis.from_url(settings.redis_url) as client:
        assert has_all(client)
        client.flushall()
        tick.look(settings, SIGNALS_NOW)
        assert has_all(client)


def recorded(settings: TickSettings) -> int:
    """How many signals there are: those of events, and those of insights that they led to."""
    with closing(connect(settings.database_url)) as owner:
        [[signals]] = owner.run("SELECT count(*) FROM signals")
    assert signals > 4
    return int(signals)


def told_again(client: redis.Redis) -> Counter[str]:
    """How many entries tell of what, by type."""
    found = [
        event for name in ("signals", "notices") for lane in keyspace.LANES for event in waiting(client, name, 0, lane)
    ]
    return Counter(event["type"] for event in found)


@pytest.mark.parametrize("away", [timedelta(), timedelta(minutes=30), timedelta(hours=5), timedelta(days=6)])
def test_what_was_recorded_before_redis_lost_its_data_is_told_again_once_no_request_is_left(settings, away):
    now = datetime.now(UTC)
    with closing(Database(settings.database_url)) as database:
        PostgresTenants(database).put_rule("acme-inc", uuid4(), ALWAYS)
        record(PostgresSignalStore(database), [signal(3, account_id="initech")])
    with closing(connect(settings.database_url)) as owner:
        owner.run("UPDATE signals SET processed_at = processed_at - CAST(:away AS interval)", away=away)
        owner.run("UPDATE notices SET created_at = now()")
    # As the clock itself logs in.
    clock = replace(settings, database_url=as_login(settings.database_url, "tick", PASSWORD))
    with redis.Redis.from_url(settings.redis_url) as client:
        client.flushall()
        tick.look(clock, now)
        tick.look(clock, now + timedelta(seconds=settings.claim_idle_s - 1))
        assert told_again(client) == {}  # a request from before may still record something
        for _ in range(2):
            tick.look(clock, now + timedelta(seconds=settings.claim_idle_s))
            assert told_again(client) == {SIGNAL_RECORDED: recorded(settings), NOTICE_DUE: 1}


def test_where_postgresql_searches_only_notices_are_told_again(settings):
    own = replace(settings, search="postgres")
    with redis.Redis.from_url(settings.redis_url) as client:
        client.flushall()
        for late_s in (0, settings.claim_idle_s, settings.claim_idle_s):
            tick.look(own, SIGNALS_NOW + timedelta(seconds=late_s))
        assert told_again(client) == {}
        assert not client.exists(keyspace.behind_key("signals", 0))


def test_a_request_from_before_that_records_after_redis_was_filled_is_told_again_too(settings):
    with redis.Redis.from_url(settings.redis_url) as client:
        client.flushall()
        tick.look(settings, datetime.now(UTC) - timedelta(minutes=1))
        with closing(Database(settings.database_url)) as database:
            record(PostgresSignalStore(database), [signal(3)])
        tick.look(settings, datetime.now(UTC))
        assert told_again(client)[SIGNAL_RECORDED] == recorded(settings)


def test_a_directory_that_somebody_wrote_into_an_empty_redis_does_not_hide_that_the_counts_are_lost(settings):
    with redis.Redis.from_url(settings.redis_url) as client:
        client.flushall()
        with register.opened(settings.database_url, settings.redis_url) as known:
            tenants.put(known, OPERATOR, "another", "Another")
            known.publish()
        client.incrby(count_key("acme-inc", 0, SIGNALS_NOW), 1)  # accepted since
        tick.look(settings, SIGNALS_NOW)
        assert has_all(client)


def test_a_redis_that_has_everything_is_not_filled_from_postgresql(settings):
    nowhere = replace(settings, database_url=f"postgresql://u@127.0.0.1:{ports.free(1)[0]}/x")
    assert not restore.heal(nowhere, SIGNALS_NOW)
    with redis.Redis.from_url(settings.redis_url) as client:
        client.flushall()
    with pytest.raises(Unavailable):
        restore.heal(nowhere, SIGNALS_NOW)


def test_the_hour_is_told_while_postgresql_is_away(settings):
    nowhere = replace(settings, database_url=f"postgresql://u@127.0.0.1:{ports.free(1)[0]}/x")
    with pytest.raises(Unavailable):
        tick.look(nowhere, NOON)
    with redis.Redis.from_url(settings.redis_url) as client:
        assert client.xlen(keyspace.stream_key("events", 0)) == 1


# --- quotas


def limit(settings: TickSettings, **monthly: int) -> None:
    with register.opened(settings.database_url, settings.redis_url) as known:
        tenants.put_plan(known, OPERATOR, "acme-inc", Plan.model_validate({"monthly": monthly}))


def accept(client: redis.Redis, count: int) -> None:
    client.incrby(count_key("acme-inc", 0, SIGNALS_NOW), count)


def told_of(client: redis.Redis) -> int:
    """How many notices notify is told of."""
    return client.xlen(keyspace.stream_key("notices", 0))


def test_a_months_threshold_is_told_of_once_also_when_redis_came_back_empty_in_between(settings):
    limit(settings, hard=4)  # of which three are used
    with redis.Redis.from_url(settings.redis_url) as client:
        tick.look(settings, SIGNALS_NOW)
        assert told_of(client) == 0
        accept(client, 1)
        tick.look(settings, SIGNALS_NOW)
        tick.look(settings, SIGNALS_NOW)
        assert told_of(client) == 2
        client.flushall()
        tick.look(settings, SIGNALS_NOW)
        assert has_all(client), "what was processed counts again"
        accept(client, 1)
        tick.look(settings, SIGNALS_NOW)
        assert told_of(client) == 0, "the month's notices were sent before"


def test_what_is_counted_in_the_last_minute_of_a_month_is_told_of_in_the_next(settings):
    limit(settings, soft=5)
    with redis.Redis.from_url(settings.redis_url) as client:
        accept(client, 1)
        tick.look(settings, datetime(2026, 12, 1, 1, 0, 1, tzinfo=UTC))
        assert told_of(client) == 0, "it is too long ago"
        tick.look(settings, datetime(2026, 12, 1, 0, 1, tzinfo=UTC))
        assert told_of(client) == 1


def test_an_hour_ticks_once_however_often_the_clock_looks(settings):
    with redis.Redis.from_url(settings.redis_url) as client:
        for minutes in (0, 1, 59, 60, 61):
            tick.look(settings, NOON + timedelta(minutes=minutes))
        assert client.xlen(keyspace.stream_key("events", 0)) == 2


def test_a_running_clock_heals_redis_and_ends_when_it_is_asked_to(settings):
    env = {"PATH": os.environ["PATH"], "DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url}
    argv = [sys.executable, "-m", "functions.tick", "--every", "0.1"]
    with redis.Redis.from_url(settings.redis_url) as client, subprocess.Popen(argv, env=env, cwd=ROOT) as running:
        for _ in range(2):
            client.flushall()
            until(lambda: client.exists(FILLED) == 1, within_s=30, what="Redis is filled")
        running.terminate()
        assert running.wait(10) == 0


def test_a_tick_waits_in_the_channel_for_process(settings, redis_url):
    before = datetime.now(UTC)
    done = run(REDIS_URL=redis_url, DATABASE_URL=settings.database_url)
    assert done.returncode == 0, done.stderr
    with channel.connect(redis_url) as client:
        events = Channel(client, "events", 0, "a")
        events.ensure()
        waiting = [cloudevent.parse(entry.event).event for entry in events.read(10, 0)]
    [event] = [each for each in waiting if each.type == TICK]
    assert event.extension("sspptenant") is None
    # The hour may end meanwhile.
    assert event.occurred_at() in {tick.scheduled(before), tick.scheduled(datetime.now(UTC))}


@pytest.mark.parametrize("late_s", [0, 1, 3599])
def test_the_tick_of_an_hour_is_the_same_however_late_its_job_starts(late_s):
    when = tick.scheduled(NOON + timedelta(seconds=late_s))
    assert tick.event(when) == tick.event(NOON)
    assert tick.event(when) != tick.event(NOON + timedelta(hours=1))


def test_a_redis_that_is_away_fails_the_job_with_a_sentence():
    done = run(REDIS_URL=f"redis://:s3cret@127.0.0.1:{ports.free(1)[0]}/0", DATABASE_URL="postgresql://u@nobody/x")
    assert (done.returncode, done.stderr.strip()) == (1, "tick: Redis is unavailable")


def test_settings_that_are_missing_are_named():
    done = run()
    assert (done.returncode, done.stderr.strip()) == (1, "tick: DATABASE_URL is required; REDIS_URL is required")
