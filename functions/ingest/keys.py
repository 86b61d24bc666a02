"""Whose key it is: the key directory, remembered for two seconds."""

from __future__ import annotations

from collections.abc import Callable

from functions.adapters.redis.keys import COMPLETE, decode, key_of
from functions.adapters.redis.pipe import RedisPipe
from functions.domain.key import Grant, digest

#: How long a revoked key may still work; a promise to operators.
REMEMBERED_S = 2.0
#: Unknown keys are remembered too; a flood of made-up ones must not fill the memory.
MOST_REMEMBERED = 10_000


class KeyCache:
    """Grants by key digest.

    Args:
        redis: where the directory is.
        clock: seconds, monotonic.
    """

    def __init__(self, redis: RedisPipe, clock: Callable[[], float]) -> None:
        self._redis = redis
        self._clock = clock
        self._known: dict[str, tuple[float, Grant | None]] = {}

    async def find(self, key: str) -> Grant | None:
        """Give whom ``key`` belongs to; None for every key that does not work, whatever is wrong with it.

        Raises:
            Unavailable: the directory could not be reached, or is missing.
        """
        wanted, now = digest(key), self._clock()
        known = self._known.get(wanted)
        if known is not None and known[0] > now:
            return known[1]
        found, complete = await self._redis.execute("MGET", key_of(wanted), COMPLETE)
        grant = decode(found, complete)
        if len(self._known) >= MOST_REMEMBERED:
            self._known.clear()
        self._known[wanted] = (now + REMEMBERED_S, grant)
        return grant
