"""What is deployed: the ScaledObjects by which KEDA wakes the dispatchers."""

from __future__ import annotations

from typing import Any

from events import keyspace

PARTITIONS = 1


def triggers(channel: str) -> list[dict[str, Any]]:
    """``spec.triggers`` of the ScaledObject of a channel's dispatcher; every value is a string, as KEDA has it.

    The stream's length counts what waits and what is delivered but not settled, the sorted set the parked retries.
    """
    streams = [keyspace.stream_key(channel, number, lane) for number in range(PARTITIONS) for lane in keyspace.LANES]
    retries = [keyspace.retry_key(channel, number, lane) for number in range(PARTITIONS) for lane in keyspace.LANES]
    return [
        *(_trigger("redis-streams", f"stream-{at}", stream=key, streamLength="100") for at, key in enumerate(streams)),
        *(_trigger("redis", f"retries-{at}", listName=key, listLength="100") for at, key in enumerate(retries)),
    ]


def scaled_object(channel: str) -> dict[str, Any]:
    """``spec`` of the ScaledObject of a channel's dispatcher."""
    return {"pollingInterval": 2, "cooldownPeriod": 60, "maxReplicaCount": 1, "triggers": triggers(channel)}


def _trigger(kind: str, name: str, **metadata: str) -> dict[str, Any]:
    address = {"address": "sspp-redis.sspp.svc.cluster.local:6379", "username": "keda"}
    return {
        "type": kind,
        "name": name,
        "metadata": address | metadata,
        "authenticationRef": {"name": "sspp-redis"},
    }
