"""Turns: which request is worked on next, so that no caller's many requests make another one wait."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from events.errors import Refused

#: Seconds after which a caller with too many requests under way may come again.
RETRY_AFTER_S = 1


class Caller(NamedTuple):
    """The caller: a tenant, or a stand-in where the tenant is not known, and the API key it uses."""

    who: str
    key: str


class Admitted(NamedTuple):
    """A request that may wait for its turn, and the headers of its answer."""

    caller: Caller
    headers: Mapping[str, str]


@dataclass(slots=True)
class _Requests:
    """The requests of one caller: how many are running, and those that wait, by key.

    Args:
        latest: the number of the latest turn it got.
    """

    running: int = 0
    waiting: int = 0
    latest: int = 0
    queues: dict[str, deque[asyncio.Future[None]]] = field(default_factory=dict)

    def add(self, key: str, turn: asyncio.Future[None]) -> None:
        self.queues.setdefault(key, deque()).append(turn)
        self.waiting += 1

    def next(self) -> asyncio.Future[None]:
        """Take out the first request of the key whose turn it is: its keys come one after the other."""
        key, queue = next(iter(self.queues.items()))
        del self.queues[key]
        turn = queue.popleft()
        self.waiting -= 1
        if queue:
            self.queues[key] = queue
        return turn

    def drop(self, key: str, turn: asyncio.Future[None]) -> None:
        """Take out a request that does not wait any more, unless it was taken out meanwhile."""
        queue = self.queues.get(key, deque())
        if turn in queue:
            queue.remove(turn)
            self.waiting -= 1
            if not queue:
                del self.queues[key]


class Turns:
    """Hands out turns: a free one goes to the caller with the fewest, and of several to the one longest without.

    So a caller waits for the end of one request of another at most. Waiting happens on the event loop and holds no
    thread; all of this runs there.

    Args:
        threads: requests that are worked on at a time.
        each: those of one caller, of whichever of its keys.
        waiting: requests of one caller that may wait beside those; one more is refused.
    """

    def __init__(self, *, threads: int, each: int, waiting: int) -> None:
        self._free = threads
        self._each = each
        self._waiting = waiting
        self._handed_out = 0
        self._callers: dict[str, _Requests] = {}

    @asynccontextmanager
    async def taken(self, caller: Caller) -> AsyncIterator[None]:
        """Wait for a turn of ``caller``, and keep it for the length of the block.

        Raises:
            Refused: 429, as many requests of this caller wait already.
        """
        requests = self._callers.setdefault(caller.who, _Requests())
        if requests.waiting >= self._waiting:
            raise Refused(
                "Too many requests",
                status=429,
                detail=f"{self._waiting} of your requests wait already; try again",
                headers={"retry-after": str(RETRY_AFTER_S)},
            )
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        requests.add(caller.key, turn)
        self._hand_out()
        try:
            await turn
            yield
        finally:
            if turn.cancelled():
                requests.drop(caller.key, turn)
            else:
                requests.running -= 1
                self._free += 1
                self._hand_out()
            if not requests.running and not requests.waiting:
                self._callers.pop(caller.who, None)

    def _hand_out(self) -> None:
        while self._free:
            ready = [one for one in self._callers.values() if one.waiting and one.running < self._each]
            if not ready:
                return
            requests = min(ready, key=lambda one: (one.running, one.latest))
            turn = requests.next()
            if turn.cancelled():
                continue
            turn.set_result(None)
            self._free -= 1
            self._handed_out += 1
            requests.running += 1
            requests.latest = self._handed_out


class Gate(Protocol):
    """Decides on the event loop, by its head, whether a request is worked on, and hands out the turns."""

    @property
    def turns(self) -> Turns:
        """Hands out the turns of those that are admitted."""

    def admit(self, headers: Mapping[str, str]) -> Admitted:
        """Admit a request with these headers, names in lower case.

        Raises:
            Refused: it is answered so.
        """
