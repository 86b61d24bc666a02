"""The triggers of the deployed ScaledObjects, asked of a real Redis as KEDA 2.20 asks it.

Source: kedacore/keda v2.20.2, pkg/scalers/redis_scaler.go and redis_streams_scaler.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import redis

from tests.infra.manifests import SCALED_OBJECT, objects, of_kind

#: What the `redis` trigger runs: the length of a list, or the size of a sorted set; any other type is an error.
LENGTH = """
local kind = redis.call('type', KEYS[1]).ok
if kind == 'zset' then return redis.call('zcard', KEYS[1]) end
if kind == 'list' or kind == 'none' then return redis.call('llen', KEYS[1]) end
return redis.error_reply('ERR no length of a ' .. kind)
"""

Trigger = Mapping[str, Any]


def deployed(channel: str) -> list[Trigger]:
    """Return the triggers that wake a channel's dispatcher in the staging stack, which has all."""
    name = f"dispatcher-{channel}"
    [spec] = [each["spec"] for each in of_kind(objects("staging"), SCALED_OBJECT) if each["metadata"]["name"] == name]
    triggers: list[Trigger] = spec["triggers"]
    return triggers


def value(client: redis.Redis, trigger: Trigger) -> int:
    """Return what KEDA would read for ``trigger``; above 0 the dispatcher is awake."""
    metadata: Mapping[str, str] = trigger["metadata"]
    if trigger["type"] == "redis-streams":
        return int(client.xlen(metadata["stream"]))
    return int(client.eval(LENGTH, 1, metadata["listName"]))
