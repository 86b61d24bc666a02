"""The front door while Redis is away, read-only, full, frozen or forgetful: 503, and nothing acknowledged is lost."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from functools import partial
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
import redis

from events import channel, keyspace
from events.channel import Channel
from events.entry import Done
from events.settings import MigrateSettings
from functions import migrate
from functions.adapters.redis.pipe import CONNECT_TIMEOUT_S, REPLY_TIMEOUT_S
from functions.domain.key import RANDOM_BYTES, REMEMBERED_S, new_key
from functions.local import demo_tenant, process, valkey
from tests.servers import frontdoor
from tests.servers.frontdoor import FrontDoor
from tests.servers.parts import until

NOTHING = "nothing was stored"


@pytest.fixture
def front_door(tmp_path: Path) -> Iterator[FrontDoor]:
    with frontdoor.running(tmp_path) as started:
        yield started


def post(front_door: FrontDoor, text: str = "") -> httpx.Response:
    event = {
        "specversion": "1.0",
        "id": uuid4().hex,
        "source": "/faults",
        "type": "demo_completed",
        "data": {"accountId": "acme", "metadata": {"text": text}},
    }
    return front_door.http.post("/", json=event, headers={"content-type": "application/cloudevents+json"})


def refused(answer: httpx.Response) -> bool:
    """Whether an answer says "later", as it should."""
    if answer.status_code != 503:
        return False
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0
    return True


def admin(front_door: FrontDoor) -> closing[redis.Redis]:
    return closing(redis.Redis.from_url(front_door.redis_url))


def ids(front_door: FrontDoor) -> set[str]:
    return {event["id"] for event in front_door.stored()}


def accept(front_door: FrontDoor, count: int) -> int:
    answers = [post(front_door) for _ in range(count)]
    assert {answer.status_code for answer in answers} == {202}
    return len(answers)


def test_a_redis_that_only_reads_is_told_as_later_until_it_writes_again(front_door: FrontDoor) -> None:
    accepted = accept(front_door, 3)
    with admin(front_door) as client:
        client.config_set("replica-serve-stale-data", "yes")
        client.execute_command("REPLICAOF", "127.0.0.1", "1")
        until(lambda: refused(post(front_door)), within_s=5, what="it is refused")
        client.execute_command("REPLICAOF", "NO", "ONE")
    until(lambda: post(front_door).status_code == 202, within_s=5, what="it is taken again")
    assert len(ids(front_door)) == accepted + 1


def test_a_full_redis_refuses_and_can_still_be_drained(front_door: FrontDoor) -> None:
    with admin(front_door) as client:
        client.config_set("maxmemory", client.info("memory")["used_memory"] + 2_000_000)
        accepted = 0
        while not refused(post(front_door, "x" * 50_000)):
            accepted += 1
            assert accepted < 1000, "it never fills up"
        assert len(ids(front_door)) == accepted
        stream = Channel(client, "events", 0, "drain")
        stream.ensure()
        while entries := stream.read(10, 100):
            reply = [("signals", b"{}")]
            assert stream.settle([(entry, Done(reply)) for entry in entries]) == len(entries)
        assert client.xlen(keyspace.stream_key("signals", 0)) == accepted
    until(lambda: post(front_door).status_code == 202, within_s=5, what="there is room again")


def test_a_redis_that_came_back_empty_is_no_reason_to_call_a_key_unknown(
    front_door: FrontDoor, database_url: str
) -> None:
    demo_tenant.ensure_demo(database_url=database_url, redis_url=front_door.redis_url, api_key=front_door.key)
    accept(front_door, 1)
    with admin(front_door) as client:
        client.flushall()
        # While the key is remembered it works; after that nobody can say anything about it, or any other.
        until(lambda: refused(post(front_door)), within_s=REMEMBERED_S + 1, what="it is refused as later")
        unknown = {"x-api-key": new_key(os.urandom(RANDOM_BYTES))}
        assert {post(front_door).status_code for _ in range(20)} == {503}
        assert refused(front_door.http.post("/", headers=unknown))
        before = len(ids(front_door))
        migrate.run(MigrateSettings(database_url=database_url, redis_url=front_door.redis_url))
        assert [post(front_door).status_code, front_door.http.post("/", headers=unknown).status_code] == [202, 401]
        # What was stored while nobody had a group to read it with is read all the same.
        assert client.xinfo_groups(frontdoor.STREAMS[0])[0]["last-delivered-id"] == b"0-0"
        assert len(ids(front_door)) == before + 1


@pytest.mark.alone
def test_a_frozen_redis_is_answered_within_its_deadline_and_nothing_acknowledged_is_missing(
    front_door: FrontDoor,
) -> None:
    accepted = accept(front_door, 3)
    with admin(front_door) as client:
        pid = client.info("server")["process_id"]
    os.kill(pid, signal.SIGSTOP)
    try:
        answer = post(front_door)
        assert refused(answer)
        assert answer.elapsed.total_seconds() < REPLY_TIMEOUT_S + 2
        for _ in range(2):  # connecting anew takes its time too, and no longer
            again = post(front_door)
            assert refused(again)
            assert again.elapsed.total_seconds() < CONNECT_TIMEOUT_S + 2
            assert NOTHING in again.json()["detail"]
    finally:
        os.kill(pid, signal.SIGCONT)
    until(lambda: post(front_door).status_code == 202, within_s=10, what="it is taken again")
    with admin(front_door) as client:
        until(lambda: len(client.client_list()) == 2, within_s=5, what="it keeps one connection, beside this one")
    # What was refused may have been stored all the same: its sender tries again, which is harmless.
    doubtful = NOTHING not in answer.json()["detail"]
    assert accepted + 1 <= len(ids(front_door)) <= accepted + 1 + doubtful


def test_a_redis_that_is_away_is_told_as_later_also_by_the_health_page(tmp_path: Path) -> None:
    with frontdoor.running(tmp_path) as front_door:
        accepted = accept(front_door, 5)
        with admin(front_door) as client:
            pid = client.info("server")["process_id"]
        os.kill(pid, signal.SIGKILL)
        until(lambda: refused(post(front_door)), within_s=5, what="it is refused")
        assert front_door.http.get("/ready").status_code == 503
        assert front_door.http.get("/health").json()["status"] == "unavailable"
        port = int(front_door.redis_url.rpartition(":")[2].partition("/")[0])
        with process.running(
            valkey.argv(tmp_path, port),
            answers=lambda: valkey.answers(front_door.redis_url),
            log=tmp_path / "again.log",
        ):
            until(front_door.part.ready, within_s=10, what="it is ready again")
            accepted += accept(front_door, 5)
            assert len(ids(front_door)) == accepted


def test_a_stream_that_is_too_long_is_told_as_later(tmp_path: Path) -> None:
    with frontdoor.running(tmp_path, env={"SSPP_MAX_STREAM_LENGTH": "5"}) as front_door:
        accept(front_door, 5)
        assert refused(post(front_door))
        with channel.connect(front_door.redis_url) as client:
            client.delete(*frontdoor.WAITING)
        accept(front_door, 1)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 16 MB where Valkey keeps its data."""
    disk = tmp_path / "valkey"
    disk.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)]
    try:
        mounted = subprocess.run(mounting, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount here")
    if mounted.returncode != 0:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fill(disk: Path) -> Path:
    """Write until nothing more fits; give the file that has to go."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 65_536)
    with ballast.open("ab", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x")
    return ballast


@pytest.mark.parametrize("durability", ["always", "everysec"])
def test_a_full_disk_is_told_as_later_and_nothing_acknowledged_is_missing(
    tmp_path: Path, small_disk: Path, durability: str
) -> None:
    with frontdoor.running(tmp_path, env={"SSPP_DURABILITY": durability}) as front_door, ExitStack() as stack:
        with admin(front_door) as client:
            client.config_set("appendfsync", durability)
        accepted = accept(front_door, 3)
        ballast = fill(small_disk)
        # Until the disk has said no, Valkey may still take what fits into the block it has begun.
        while not refused(post(front_door, "x" * 5_000)):
            accepted += 1
            assert accepted < 100, "the disk never fills up"
        assert refused(post(front_door))
        ballast.unlink()
        if durability == "always":  # it does not outlive a write that failed; whoever runs it starts it again
            port = int(front_door.redis_url.rpartition(":")[2].partition("/")[0])
            answers = partial(valkey.answers, front_door.redis_url)
            stack.enter_context(
                process.running(valkey.argv(tmp_path, port), answers=answers, log=tmp_path / "again.log")
            )
        until(lambda: post(front_door).status_code == 202, within_s=15, what="it is taken again")
        assert len(ids(front_door)) == accepted + 1
