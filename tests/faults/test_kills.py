"""What the promise is worth: parts killed under load, and every accepted event counted afterwards."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from events import keyspace
from functions import tenants
from functions.adapters.postgres.database import connect
from functions.domain.key import RANDOM_BYTES, new_key
from functions.local import ports, process, valkey
from tests.servers import parts, smtp
from tests.servers.parts import Parts, until
from tests.servers.smtp import Mailbox

BATCH = 100
ACCOUNTS = 40
#: Engaging enough that every account crosses the demo rule's threshold, each once.
KINDS = ("io.sspp.demo.completed", "io.sspp.meeting.booked", "io.sspp.email.opened", "io.sspp.email.sent")


def _events(count: int) -> list[dict[str, Any]]:
    return [
        {
            "specversion": "1.0",
            "id": f"event-{number}",
            "source": "/faults",
            "type": KINDS[number // ACCOUNTS % len(KINDS)],
            "data": {"accountId": f"account-{number % ACCOUNTS}", "metadata": {"number": number}},
        }
        for number in range(count)
    ]


class Sender:
    """Posts batches and keeps the book: which events were acknowledged."""

    def __init__(self, url: str, key: str) -> None:
        self.acknowledged: set[str] = set()
        self._http = httpx.Client(base_url=url, headers={"x-api-key": key}, timeout=10)

    def post(self, batch: list[dict[str, Any]]) -> bool:
        """Offer a batch once; give whether all of it was acknowledged."""
        headers = {"content-type": "application/cloudevents-batch+json"}
        try:
            answer = self._http.post("/v1/events", json=batch, headers=headers)
        except httpx.HTTPError:
            return False
        if answer.status_code not in {202, 207}:
            assert answer.status_code == 503, answer.text
            return False
        results = answer.json()["results"]
        self.acknowledged |= {batch[result["index"]]["id"] for result in results if result["status"] == 202}
        return all(result["status"] == 202 for result in results)

    def close(self) -> None:
        self._http.close()


@contextmanager
def _sender(started: Parts, key: str) -> Iterator[Sender]:
    with closing(Sender(started["ingest"].url, key)) as sender:
        yield sender


def _key(database_url: str, redis_url: str) -> str:
    key = new_key(os.urandom(RANDOM_BYTES))
    tenants.ensure_demo(database_url=database_url, redis_url=redis_url, api_key=key)
    return key


def _column(database_url: str, sql: str) -> list[Any]:
    with closing(connect(database_url)) as connection:
        return [row[0] for row in connection.run(sql)]


def _drained(redis_url: str) -> bool:
    with redis.Redis.from_url(redis_url) as client:
        return all(
            client.xlen(keyspace.stream_key(name, 0, lane)) == 0
            and client.zcard(keyspace.retry_key(name, 0, lane)) == 0
            for name in keyspace.CHANNELS
            for lane in keyspace.LANES
        )


def _check_books(sender: Sender, database_url: str, redis_url: str, mailbox: Mailbox) -> None:
    """Every acknowledged event is one signal, one document; every episode one notice, one mail; nothing is left."""
    until(lambda: _drained(redis_url), within_s=90, what="every channel is empty")
    with redis.Redis.from_url(redis_url) as client:
        for name in keyspace.CHANNELS:
            for lane in keyspace.LANES:
                assert client.xpending(keyspace.stream_key(name, 0, lane), keyspace.GROUP)["pending"] == 0
            assert client.xlen(keyspace.dead_key(name, 0)) == 0
    stored = Counter(_column(database_url, "SELECT source_id FROM signals"))
    assert set(stored) == sender.acknowledged
    assert set(stored.values()) == {1}
    assert _column(database_url, "SELECT count(*) FROM search_documents") == [len(stored)]
    episodes = _column(database_url, "SELECT account_id || '/' || episode FROM notices")
    assert sorted(episodes) == sorted(f"account-{number}/1" for number in range(ACCOUNTS))
    assert _column(database_url, "SELECT count(*) FROM notices WHERE sent_at IS NULL") == [0]
    sent = Counter(mail["Message-ID"] for mail in mailbox.messages)
    assert len(sent) == ACCOUNTS
    assert set(sent.values()) == {1}
    _check_scores(database_url)


def _check_scores(database_url: str) -> None:
    """The sums are what the signals add up to: nothing was counted twice or left out."""
    from functions.domain.catalog import EVENT_TYPES
    from functions.domain.score import contribution

    with closing(connect(database_url)) as connection:
        expected: Counter[tuple[Any, ...]] = Counter()
        for account, event_type, at in connection.run('SELECT account_id, event_type, "timestamp" FROM signals'):
            slot, amount = contribution(EVENT_TYPES[event_type], at)
            expected[account, slot.side, slot.half_life_days, slot.era] += amount
        found = connection.run("SELECT account_id, side, half_life_days, era, total FROM account_sums")
    assert {tuple(row[:4]): int(row[4]) for row in found} == dict(expected)


@pytest.mark.slow
def test_ten_thousand_events_survive_five_kills_of_dispatcher_and_process(
    tmp_path: Path, database_url: str, redis_url: str
) -> None:
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    events = _events(10_000)
    with smtp.running() as mailbox:
        env = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "SSPP_SMTP_URL": mailbox.url}
        key = _key(database_url, redis_url)
        with parts.running(tmp_path, env=env) as started, _sender(started, key) as sender:
            batches = [events[at : at + BATCH] for at in range(0, len(events), BATCH)]
            kill_after = set(chance.sample(range(5, len(batches) - 5), 5))
            for number, batch in enumerate(batches):
                assert sender.post(batch)
                if number in kill_after:
                    # The dispatcher dies with a batch in hand, or process in the middle of its transaction.
                    until(lambda: not _drained(redis_url), within_s=5, what="something is under way")
                    victim = started[chance.choice(["events", "process"])]
                    victim.kill()
                    victim.start()
            assert len(sender.acknowledged) == 10_000, f"seed {seed}"
            _check_books(sender, database_url, redis_url, mailbox)


@pytest.mark.slow
def test_redis_killed_and_restarted_under_load_keeps_every_202(tmp_path: Path, database_url: str) -> None:
    port = ports.free(1)[0]
    home = tmp_path / "redis"
    home.mkdir()
    valkey.prepare(home)
    redis_url = valkey.url(home, port)
    with smtp.running() as mailbox, _restartable(home, port, redis_url) as restart:
        env = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "SSPP_SMTP_URL": mailbox.url}
        key = _key(database_url, redis_url)
        with parts.running(tmp_path, env=env) as started, _sender(started, key) as sender:
            events = _events(4_000)
            batches = [events[at : at + BATCH] for at in range(0, len(events), BATCH)]
            with ThreadPoolExecutor(1) as load:
                posted = load.submit(lambda: [batch for batch in batches if not sender.post(batch)])
                for share in (0.2, 0.6):
                    until(
                        lambda due=share: len(sender.acknowledged) > due * 4_000 or posted.done(),
                        within_s=30,
                        what="load",
                    )
                    restart()
                refused = posted.result()
            until(started["ingest"].ready, within_s=20, what="ingest is ready again")
            for batch in refused:  # what a sender does: the same again, which is harmless
                assert sender.post(batch)
            assert len(sender.acknowledged) == len(events)
            _check_books(sender, database_url, redis_url, mailbox)


@contextmanager
def _restartable(home: Path, port: int, redis_url: str) -> Iterator[Callable[[], None]]:
    """A Valkey that can be killed and started again on its data; gives the function that does both."""
    servers: list[Any] = []

    def start() -> None:
        context = process.running(
            valkey.argv(home, port), answers=lambda: valkey.answers(redis_url), log=home / "server.log"
        )
        servers.append((context, context.__enter__()))

    def restart() -> None:
        context, server = servers.pop()
        server.kill()
        server.wait()
        context.__exit__(None, None, None)
        start()

    start()
    try:
        yield restart
    finally:
        servers.pop()[0].__exit__(None, None, None)
