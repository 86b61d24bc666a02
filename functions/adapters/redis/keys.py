"""The key directory in Redis: what the front door knows of API keys without ever asking PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Mapping

import redis

from events.channel import translated
from events.errors import Unavailable
from functions.domain.key import Grant

#: Present once the directory was written. Without it an unknown key may be one that Redis has lost.
COMPLETE = "sspp:{keys}:complete"


def key_of(digest: str) -> str:
    """Where the grant of the key with this digest is."""
    return f"sspp:{{keys}}:{digest}"


def encode(grant: Grant) -> str:
    """Write a grant as the directory keeps it."""
    return json.dumps({"tenant": grant.tenant_id, "scopes": sorted(grant.scopes)})


def decode(found: bytes | None, complete: bytes | None) -> Grant | None:
    """Read what was found at :func:`key_of` and at :data:`COMPLETE`.

    Raises:
        Unavailable: the directory is missing, so that nothing can be said about any key.
    """
    if found is not None:
        known = json.loads(found)
        return Grant(known["tenant"], frozenset(known["scopes"]))
    if complete is None:
        raise Unavailable("key directory")
    return None


class RedisKeyDirectory:
    """The directory's writer: migrate and whoever issues keys."""

    def __init__(self, client: redis.Redis) -> None:
        self._redis = client

    def put(self, grants: Mapping[str, Grant]) -> None:
        """Add keys by digest and mark the directory complete.

        Raises:
            Unavailable: Redis could not be reached; the same call again is safe.
        """
        with translated():
            for digest, grant in grants.items():
                self._redis.set(key_of(digest), encode(grant))
            self._redis.set(COMPLETE, "1")
