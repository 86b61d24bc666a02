"""One event sent by many senders at once, over and over, while Redis dies or forgets: it is stored once."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import redis

from functions.local import process, valkey
from tests.servers import frontdoor, tenant
from tests.servers.frontdoor import TENANT, FrontDoor
from tests.servers.parts import until

SENDERS = 100
EVENT = {
    "specversion": "1.0",
    "id": "the-same",
    "source": "/faults",
    "type": "demo_completed",
    "data": {"accountId": "acme"},
}


def post(front_door: FrontDoor, event: dict[str, Any] = EVENT) -> httpx.Response:
    return front_door.http.post("/", json=event, headers={"content-type": "application/cloudevents+json"})


def all_at_once(front_door: FrontDoor, meanwhile: Callable[[], None]) -> list[httpx.Response]:
    """Send the same event from every sender, do something, and let each send again until it is accepted."""

    def insist() -> httpx.Response:
        found: list[httpx.Response] = []

        def accepted() -> bool:
            found.append(post(front_door))
            assert found[-1].status_code in {202, 503}
            return found[-1].status_code == 202

        until(accepted, within_s=30, what="it is accepted")
        return found[-1]

    with ThreadPoolExecutor(SENDERS) as senders:
        insisting = [senders.submit(insist) for _ in range(SENDERS)]
        meanwhile()
        return [one.result() for one in insisting]


def test_a_redis_that_dies_and_comes_back_stores_it_once(tmp_path: Path) -> None:
    with frontdoor.running(tmp_path) as front_door:
        port = int(front_door.redis_url.rpartition(":")[2].partition("/")[0])
        with redis.Redis.from_url(front_door.redis_url) as client:
            pid = client.info("server")["process_id"]
        again = process.running(
            valkey.argv(tmp_path, port),
            answers=partial(valkey.answers, front_door.redis_url),
            log=tmp_path / "again.log",
        )

        def die_and_come_back() -> None:
            os.kill(pid, signal.SIGKILL)
            again.__enter__()

        try:
            answers = all_at_once(front_door, die_and_come_back)
            assert len({answer.json()["id"] for answer in answers}) == 1
            assert [event["id"] for event in front_door.stored()] == ["the-same"]
            assert post(front_door).json()["duplicate"] is True
            assert post(front_door, {**EVENT, "data": {"accountId": "another"}}).status_code == 409
        finally:
            again.__exit__(None, None, None)


def test_a_redis_that_forgot_everything_is_no_reason_to_store_it_twice_under_two_ids(tmp_path: Path) -> None:
    with frontdoor.running(tmp_path) as front_door, redis.Redis.from_url(front_door.redis_url) as client:
        before = post(front_door).json()["id"]

        def forget() -> None:
            client.flushall()
            until(lambda: post(front_door).status_code == 503, within_s=5, what="nobody is known any more")
            tenant.let_in(client, TENANT, front_door.key)

        answers = all_at_once(front_door, forget)
        # What Redis lost it does not know again; PostgreSQL knows the id, which is the same.
        assert {answer.json()["id"] for answer in answers} == {before}
        assert len(front_door.stored()) == 1
