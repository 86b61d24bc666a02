"""The front door takes events only into a Redis that keeps them, else it says which setting to change."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from uuid import uuid4

import pytest
import redis

from events import metrics
from events.errors import Unavailable
from events.settings import IngestSettings
from functions.adapters.redis import pipe
from functions.adapters.redis.directory import COMPLETE
from functions.adapters.redis.durability import shortfall
from functions.domain.key import RANDOM_BYTES, new_key
from functions.ingest.app import FrontDoor
from functions.ingest.main import front_door
from tests.servers import redis_server, tenant

KEPT = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}
KEY = new_key(bytes(RANDOM_BYTES))
EVENT = {"specversion": "1.0", "source": "/test", "type": "demo_completed", "data": {"accountId": "a"}}

Result = TypeVar("Result")

#: What SSPP_DURABILITY promises, the options of Redis beside KEPT, and what the reason names; "" for ready.
CASES = [
    ("always", {}, ""),
    ("always", {"appendonly": "no"}, "set appendonly yes"),
    ("everysec", {"appendonly": "no"}, "set appendonly yes"),
    ("always", {"appendfsync": "everysec"}, "SSPP_DURABILITY=everysec"),
    ("everysec", {"appendfsync": "everysec"}, ""),
    ("everysec", {}, ""),
    ("always", {"appendfsync": "no"}, "set appendfsync always"),
    ("everysec", {"appendfsync": "no"}, "set appendfsync everysec"),
    ("always", {"no-appendfsync-on-rewrite": "yes"}, "set no-appendfsync-on-rewrite no"),
    ("always", {"maxmemory-policy": "allkeys-lru"}, "set maxmemory-policy noeviction"),
    ("always", {"maxmemory-policy": "volatile-ttl"}, "set maxmemory-policy noeviction"),
]


@pytest.fixture(scope="module", params=redis_server.SERVERS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    with redis_server.running(request.param, tmp_path_factory.mktemp(request.param), KEPT) as url:
        yield url


@pytest.fixture
def url(server: str) -> str:
    """The server as it is meant to be, with one tenant whose key is ``key``."""
    with redis.Redis.from_url(server) as client:
        set_options(client, KEPT | {"no-appendfsync-on-rewrite": "no"})
        client.flushall()
        client.acl_deluser("guest")
        tenant.let_in(client, "acme", KEY)
    return server


def set_options(client: Any, options: dict[str, str]) -> None:
    for name, value in options.items():
        client.config_set(name, value)


def at_the_door(url: str, act: Callable[[FrontDoor], Awaitable[Result]], promised: str = "always") -> Result:
    async def acting() -> Result:
        door = front_door(IngestSettings(redis_url=url, durability=promised))
        try:
            return await act(door)
        finally:
            await door.admission._script._redis.close()

    return asyncio.run(acting())


async def post(door: FrontDoor) -> int:
    async def read() -> bytes:
        return json.dumps(EVENT | {"id": uuid4().hex}).encode()

    headers = {"x-api-key": KEY, "content-type": "application/cloudevents+json"}
    return (await door.answer("POST", "/", headers, read)).status


async def ready(door: FrontDoor) -> tuple[int, str]:
    """Return what the public port says, and the reason that the operators' port gives."""

    async def nothing() -> bytes:
        return b""

    given = await door.answer("GET", "/ready", {}, nothing)
    assert json.loads(given.body).keys() == {"status", "timestamp"}
    try:
        await door.look()
    except Unavailable as exc:
        return given.status, exc.reason
    return given.status, ""


async def both(door: FrontDoor) -> tuple[int, int, str]:
    return (await post(door), *(await ready(door)))


@pytest.mark.parametrize(("promised", "options", "named"), CASES)
def test_less_than_was_promised_is_refused_with_the_setting_to_change(url, promised, options, named, caplog):
    with redis.Redis.from_url(url) as client:
        set_options(client, options)
    posted, status, reason = at_the_door(url, both, promised)
    assert (posted, status) == ((503, 503) if named else (202, 200))
    assert named in reason
    assert bool(reason) == bool(named)
    logged = [record.fields["change"] for record in caplog.records if record.message == "redis_not_durable"]
    assert logged == ([reason] if named else [])


def test_a_setting_that_is_changed_while_events_come_is_noticed_and_so_is_its_mending(url, monkeypatch):
    monkeypatch.setattr(pipe, "INSPECT_S", 0.0)
    monkeypatch.setattr(pipe, "INSPECT_UNFIT_S", 0.0)

    async def change(door: FrontDoor) -> list[tuple[int, int, str]]:
        seen = [await both(door)]
        with redis.Redis.from_url(url) as client:
            for value in ("no", "yes"):
                client.config_set("appendonly", value)
                seen.append(await both(door))
        return seen

    (before, _, _), (without, status, reason), (after, *well) = at_the_door(url, change)
    assert (before, without, after) == (202, 503, 202)
    assert (status, "set appendonly yes" in reason, well) == (503, True, [200, ""])


@pytest.mark.parametrize(
    ("rules", "posted", "named"),
    [("-config", 202, ""), ("-info", 503, "allow +info"), ("-info -config", 503, "allow +info")],
)
def test_a_redis_that_keeps_its_settings_to_itself_is_judged_by_what_it_says(url, rules, posted, named, caplog):
    with redis.Redis.from_url(url) as client:
        client.execute_command("ACL", "SETUSER", "guest", "on", ">secret", "~*", "+@all", *rules.split())
        client.config_set("appendfsync", "everysec")  # what only CONFIG GET would say
    status, _, reason = at_the_door(url.replace("redis://", "redis://guest:secret@"), both)
    assert status == posted
    assert named in reason
    unknown = [record for record in caplog.records if record.message == "appendfsync_unknown"]
    assert len(unknown) == (1 if rules == "-config" else 0)


def test_without_the_key_directory_nobody_is_ready_and_one_line_says_why(url, caplog):
    async def lose(door: FrontDoor) -> list[tuple[int, int, str]]:
        with redis.Redis.from_url(url) as client:
            client.delete(COMPLETE, *client.scan_iter("sspp:{keys}:*"))
            seen = [await both(door), await both(door)]
            tenant.let_in(client, "acme", KEY)
        return [*seen, await both(door)]

    lost, still, found = at_the_door(url, lose)
    assert (lost[:2], still[:2], found) == ((503, 503), (503, 503), (202, 200, ""))
    assert "key directory" in lost[2]
    assert [record.message for record in caplog.records if "directory" in record.message] == ["directory_missing"]


def test_the_memory_of_redis_and_its_limit_are_published(url):
    async def figures(door: FrontDoor) -> list[float]:
        await post(door)
        return [metrics.REDIS_MEMORY.labels(kind)._value.get() for kind in ("used", "limit")]

    with redis.Redis.from_url(url) as client:
        client.config_set("maxmemory", 123_456_789)
        used, limit = at_the_door(url, figures)
        client.config_set("maxmemory", 0)
        assert limit == 123_456_789
        assert used == pytest.approx(client.info("memory")["used_memory"], rel=0.5)


def test_a_file_that_cannot_be_written_is_named():
    info = {"aof_enabled": "1", "aof_last_write_status": "err", "maxmemory_policy": "noeviction"}
    assert "aof_last_write_status err" in shortfall(info, {}, "always")
