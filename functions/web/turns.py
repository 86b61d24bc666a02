"""Turns: how many requests of one caller are worked on at a time, so that no caller's reads take every thread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from events.errors import Refused

#: Seconds after which a caller with too many requests under way may come again.
RETRY_AFTER_S = 1


@dataclass(slots=True)
class _Caller:
    free: asyncio.Semaphore
    requests: int = 0


class Turns:
    """A semaphore for each caller that has a request under way. Waiting happens on the event loop and holds no thread.

    Args:
        each: requests of one caller that are worked on at a time.
        waiting: requests of one caller that may wait beside those; one more is refused.
    """

    def __init__(self, *, each: int, waiting: int) -> None:
        self._each = each
        self._most = each + waiting
        self._callers: dict[str, _Caller] = {}

    @asynccontextmanager
    async def taken(self, who: str) -> AsyncIterator[None]:
        """Wait for a turn of the caller ``who``, and keep it for the length of the block.

        Raises:
            Refused: 429, as many requests of this caller wait already.
        """
        caller = self._callers.setdefault(who, _Caller(asyncio.Semaphore(self._each)))
        if caller.requests >= self._most:
            raise Refused(
                "Too many requests",
                status=429,
                detail=f"this key has {self._most} requests under way; try again",
                headers={"retry-after": str(RETRY_AFTER_S)},
            )
        caller.requests += 1
        try:
            async with caller.free:
                yield
        finally:
            caller.requests -= 1
            if not caller.requests:
                del self._callers[who]
