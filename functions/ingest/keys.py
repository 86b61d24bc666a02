"""Whose key it is, and on what terms: the key directory, remembered for two seconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from functions.adapters.redis.directory import COMPLETE, decode, decode_terms, key_of, terms_of
from functions.adapters.redis.pipe import RedisPipe
from functions.domain.key import Grant, digest
from functions.domain.plan import Terms

#: How long a revoked key may still work; a promise to operators.
REMEMBERED_S = 2.0
#: Unknown keys are remembered too; a flood of made-up ones must not fill the memory.
MOST_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sends: the key's digest, what the key may do, and the tenant's terms."""

    key_digest: str
    grant: Grant
    terms: Terms


class KeyCache:
    """Senders by key.

    Args:
        redis: where the directory is.
        clock: seconds, monotonic.
    """

    def __init__(self, redis: RedisPipe, clock: Callable[[], float]) -> None:
        self._redis = redis
        self._clock = clock
        self._known: dict[str, tuple[float, Sender | None]] = {}

    async def find(self, key: str, now: datetime) -> Sender | None:
        """Give who sends with ``key``; None for every key that does not work, whatever is wrong with it.

        Raises:
            Unavailable: the directory could not be reached, or is missing.
        """
        wanted = digest(key)
        known = self._known.get(wanted)
        if known is None or known[0] <= self._clock():
            known = (self._clock() + REMEMBERED_S, await self._looked_up(wanted))
            if len(self._known) >= MOST_REMEMBERED:
                self._known.clear()
            self._known[wanted] = known
        sender = known[1]
        return sender if sender is not None and sender.grant.works_at(now) else None

    async def _looked_up(self, wanted: str) -> Sender | None:
        found, complete = await self._redis.execute("MGET", key_of(wanted), COMPLETE)
        grant = decode(found, complete)
        if grant is None:
            return None
        return Sender(wanted, grant, decode_terms(await self._redis.execute("GET", terms_of(grant.tenant_id))))
