"""The front door alone: a Redis of its own, ingest, and one tenant; nobody takes what it stores."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import redis

from events import keyspace
from functions.domain.key import RANDOM_BYTES, new_key
from functions.domain.plan import OwnEventType
from functions.local import valkey
from tests.servers import parts, tenant
from tests.servers.lanes import waiting
from tests.servers.parts import Part

TENANT = "tenant"
STREAMS = [keyspace.stream_key("events", 0, lane) for lane in keyspace.LANES]
#: Everything that holds or counts what waits.
WAITING = [*STREAMS, *keyspace.fair_keys("events", 0), keyspace.bytes_key(0)]


@dataclass(frozen=True, slots=True)
class FrontDoor:
    """A running ingest as a sender sees it, and what it has stored."""

    part: Part
    key: str
    redis_url: str
    http: httpx.Client

    def stored(self) -> list[dict[str, Any]]:
        """The events of both lanes, each in its order."""
        return [event for lane in self.lanes() for event in lane]

    def lanes(self) -> list[list[dict[str, Any]]]:
        """The events of each lane."""
        with redis.Redis.from_url(self.redis_url) as client:
            return [waiting(client, "events", 0, lane) for lane in keyspace.LANES]

    def forget(self) -> None:
        """Empty the streams, and let every identity be new again."""
        with redis.Redis.from_url(self.redis_url) as client:
            client.delete(*WAITING, *client.scan_iter("sspp:{0}:ids*"))


@contextmanager
def running(
    folder: Path, *, types: Mapping[str, OwnEventType] | None = None, env: Mapping[str, str] | None = None
) -> Iterator[FrontDoor]:
    """Run both for the length of the block.

    Args:
        types: event types of the tenant's own.
        env: settings beside the usual ones.
    """
    told = {"LOG_LEVEL": "debug", **(env or {})}
    key = new_key(os.urandom(RANDOM_BYTES))
    with valkey.running(folder) as redis_url:
        with redis.Redis.from_url(redis_url) as client:
            tenant.let_in(client, TENANT, key, {"types": types or {}})
        with (
            parts.running(folder, env={**told, "REDIS_URL": redis_url}, names=("ingest",)) as started,
            httpx.Client(base_url=started["ingest"].url, headers={"x-api-key": key}, timeout=30) as http,
        ):
            yield FrontDoor(started["ingest"], key, redis_url, http)
