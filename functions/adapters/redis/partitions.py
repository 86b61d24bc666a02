"""How many partitions an installation has, on record in Redis: another number finds no entries."""

from __future__ import annotations

from itertools import product
from typing import Any

import redis

from events.channel import run_script, translated
from events.errors import ConfigError
from events.keyspace import CHANNELS, LANES, bytes_key, dead_key, fair_key, retry_key, stream_key
from functions.adapters.redis import LUA

#: How many partitions the installation has.
PARTITIONS_KEY = "sspp:partitions"


def settle_on(client: redis.Redis, partitions: int) -> None:
    """Put ``partitions`` on record, as long as nothing lies where another number was counted.

    Raises:
        ConfigError: something does; it would be out of everybody's sight.
        Unavailable: Redis could not be reached; the same call again is safe.
    """
    any_client: Any = client  # redis-py's answers are unions of everything
    with translated():
        before = int(any_client.get(PARTITIONS_KEY) or partitions)
        if before != partitions and not _empty(any_client, before):
            raise ConfigError(
                f"SSPP_PARTITIONS is {partitions}, but was {before}, and there are events, retries or dead letters"
                " that would be out of sight: set it back, let the channels drain, redrive or purge the dead letters"
            )
        any_client.set(PARTITIONS_KEY, partitions)


def forget_bytes(client: redis.Redis, partitions: int) -> int:
    """Forget the bytes that are counted of what does not wait any more; return how many partitions had some.

    Entries that somebody deleted by hand stay counted, and their tenant would never get its share back. Only where
    nothing but dead letters waits it is known which bytes they are.

    Raises:
        Unavailable: Redis could not be reached; the same call again is safe.
    """
    forgotten = 0
    for partition in range(partitions):
        lanes = list(product(CHANNELS, [partition], LANES))
        streams, letters = [stream_key(*lane) for lane in lanes], [dead_key(name, partition) for name in CHANNELS]
        queues = [retry_key(*lane) for lane in lanes] + [fair_key(name, partition) for name in CHANNELS]
        keys = [bytes_key(partition), *streams, *letters, *queues]
        forgotten += int(run_script(client, "level", keys, [len(streams), len(letters)], LUA))
    return forgotten


def _empty(client: Any, partitions: int) -> bool:
    """Return whether so many partitions hold no event, no retry and no dead letter."""
    everywhere = list(product(CHANNELS, range(partitions)))
    lanes = [(channel, partition, lane) for channel, partition in everywhere for lane in LANES]
    return not (
        any(client.xlen(dead_key(*where)) or client.zcard(fair_key(*where)) for where in everywhere)
        or any(client.xlen(stream_key(*where)) or client.zcard(retry_key(*where)) for where in lanes)
    )
