"""Senders by API key: the key directory, remembered for two seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from events import keyspace
from events.log import Log
from functions.adapters.redis.admission import Place, count_key
from functions.adapters.redis.cluster import Pipe
from functions.adapters.redis.directory import COMPLETE, MISSING, decode, decode_terms, key_of, terms_of
from functions.domain.key import Grant, digest, well_formed
from functions.domain.plan import Terms
from functions.ingest.answer import UNLIMITED, Meter
from functions.web.remembered import Remembered

log = Log("ingest")


@dataclass(slots=True)
class Sender:
    """A sender: its key's digest and grant, its tenant's policy and the tenant's events this month, as last read.

    Args:
        place: None until the first event comes.
        last: how it stood with its rates when they last let in nothing.
        full_until: seconds, monotonic: until then they let in nothing.
    """

    key_digest: str
    grant: Grant
    terms: Terms
    used: int
    place: Place | None = None
    last: Meter = UNLIMITED
    full_until: float = 0.0

    def nothing_fits(self, meter: Meter, now: float) -> None:
        """Remember that the rate lets in nothing for ``meter.next_s``.

        Args:
            now: seconds, monotonic.
        """
        self.last, self.full_until = meter, now + meter.next_s

    def meter(self, now: datetime) -> Meter:
        """Return the status of the month's limit, for an answer without a script call; its rates are unknown."""
        return Meter(now=now, used=self.used, monthly=self.terms.plan.monthly)


class KeyCache:
    """Senders by key.

    Args:
        redis: where the directory is.
        clock: seconds, monotonic.
        partitions: see :class:`functions.adapters.redis.admission.Limits`.
    """

    def __init__(self, redis: Pipe, clock: Callable[[], float], partitions: int) -> None:
        self._redis = redis
        self._partitions = partitions
        self._senders: Remembered[Sender] = Remembered(clock)
        self._lost = False

    async def find(self, key: str, now: datetime) -> Sender | None:
        """Return the sender that ``key`` belongs to, None for an unknown or revoked key.

        Raises:
            Unavailable: the directory could not be reached, or is missing.
        """
        if not well_formed(key):
            return None  # by its checksum: nobody was ever given it, so nobody is asked
        wanted = digest(key)
        answer = self._senders.fresh(wanted)
        return answer.value if answer else self._senders.put(wanted, await self._looked_up(wanted, now))

    async def check(self) -> None:
        """Raise Unavailable unless Redis answers and has the directory."""
        self._judge(None, await self._redis.execute("GET", COMPLETE))

    def _judge(self, found: bytes | None, complete: bytes | None) -> Grant | None:
        """See :func:`decode`; logs that the directory is missing once, until it is there again."""
        lost = found is None and complete is None
        if lost and not self._lost:
            log.error("directory_missing", reason=MISSING)
        self._lost = lost
        return decode(found, complete)

    async def _looked_up(self, wanted: str, now: datetime) -> Sender | None:
        found, complete = await self._redis.execute("MGET", key_of(wanted), COMPLETE)
        grant = self._judge(found, complete)
        if grant is None:
            return None
        tenant = grant.tenant_id
        counter = count_key(tenant, keyspace.partition_of(tenant, self._partitions), now)
        terms, used = await asyncio.gather(
            self._redis.execute("GET", terms_of(tenant)), self._redis.execute("GET", counter)
        )
        known = decode_terms(terms)
        return Sender(wanted, replace(grant, suspended=known.suspended), known, int(used or 0))
