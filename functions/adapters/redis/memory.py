"""What Redis' memory is used for: what the scripts count, samples, and what Redis says. No large key is read."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from events import metrics
from events.keyspace import PURPOSES, bytes_key
from functions.adapters.redis.directory import COMPLETE
from functions.adapters.redis.identities import IDENTITY_BYTES, Generations, generations_key

#: Buckets of a generation whose identities are counted; the others are taken to be as full.
SAMPLED = 16

Execute = Callable[..., Awaitable[Any]]


async def by_purpose(execute: Execute, partitions: int) -> dict[str, int]:
    """Return bytes by purpose, with ``used`` and ``limit`` as Redis has them and the ``rest`` of what is used.

    Waiting bytes are counted by the scripts (events/lua/shared/overhead.lua); identities and the key directory are
    estimates. Of a cluster, ``used``, ``limit`` and ``rest`` are one node's.

    Raises:
        Unavailable: Redis could not be reached.
    """
    found = dict.fromkeys(PURPOSES, 0)
    for partition in range(partitions):
        counted = await execute("HMGET", bytes_key(partition), *(f":{purpose}" for purpose in PURPOSES))
        for purpose, value in zip(PURPOSES, counted, strict=True):
            found[purpose] += int(value or 0)
    identities = [await _identities(execute, partition) for partition in range(partitions)]
    found["identities"] = sum(identities) * IDENTITY_BYTES
    found["directory"] = int(await execute("GET", COMPLETE) or 0)
    said = _fields((await execute("INFO", "memory")).decode())
    used = int(said.get("used_memory", 0))
    found |= {"rest": max(0, used - sum(found.values())), "used": used, "limit": int(said.get("maxmemory", 0))}
    for purpose, count in found.items():
        metrics.REDIS_MEMORY.labels(purpose).set(count)
    return found


async def _identities(execute: Execute, partition: int) -> int:
    text = await execute("HGET", generations_key(partition), "generations")
    total = 0
    for buckets, keys in Generations(partition, text or b"").sampled(SAMPLED):
        held = await asyncio.gather(*(execute("HLEN", key) for key in keys))
        total += sum(held) * buckets // len(keys)
    return total


def _fields(said: str) -> Mapping[str, str]:
    return dict(line.split(":", 1) for line in said.splitlines() if ":" in line)
