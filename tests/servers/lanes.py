"""What waits in a lane, in the order in which it is handed out."""

from __future__ import annotations

import json
from typing import Any

from events import keyspace


def waiting(client: Any, channel: str, partition: int, lane: str) -> list[dict[str, Any]]:
    """Return the events of a lane: those of its stream, then those of the slow lane's fair queue."""
    entries = client.xrange(keyspace.stream_key(channel, partition, lane))
    assert all(set(fields) == {b"event"} for _, fields in entries), "an entry says nothing of earlier attempts"
    events = [fields[b"event"] for _, fields in entries]
    if lane == keyspace.SLOW:
        queue, held, _ = keyspace.fair_keys(channel, partition)
        events += [client.hget(held, number) for number in client.zrange(queue, 0, -1)]
    return [json.loads(event) for event in events]
