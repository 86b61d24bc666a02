"""ASGI as our functions need it: a body taken in within bounds, an answer, and whether another request may follow."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any

from events.errors import Refused

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

#: A body must have come in whole by then.
BODY_TIMEOUT_S = 20.0
#: The same for a body that is dropped, because its request was refused by its head.
UNWANTED_TIMEOUT_S = 2.0
#: Seconds that a 429 is held back. A connection that asks again at once gets five of them a second and not a thousand,
#: each of which costs as much as an answer that somebody needs.
HOLD_S = 0.2
#: 429s a second that are not held back: those cost nothing worth a wait.
UNHELD_PER_S = 20
#: 429s held at a time. Further ones are answered at once: they keep a place among the requests that Knative lets into
#: a pod of ingest, 100 at a time, and the rest must find theirs.
MOST_HELD = 80
#: Statuses after which the rest of the body is not read.
_UNWANTED = frozenset({408, 413})


def headers_of(scope: Scope) -> dict[str, str]:
    """Return the headers of a request; ASGI has their names in lower case already."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def too_large(most: int) -> Refused:
    """Return the refusal of a body longer than ``most`` bytes."""
    return Refused("Body too large", status=413, detail=f"at most {most} bytes")


#: What a server puts into a request's ``extensions`` once it has the whole body.
WHOLE = "sspp.whole"


def is_whole(scope: Scope) -> bool:
    """Return whether the server has the whole body already, as it nearly always has of a small one."""
    return WHOLE in scope.get("extensions", ())


class Body:
    """The body of a request.

    Args:
        most: bytes of it that are taken in.
        here: the server has all of it: no deadline is needed, which would cost more than parsing a small event.
    """

    def __init__(self, receive: Receive, headers: Mapping[str, str], most: int, *, here: bool = False) -> None:
        self._receive = receive
        self._most = most
        self._here = here
        self._chunks: list[bytes] = []
        self._size = 0
        declared = headers.get("content-length", "")
        self._declared = int(declared) if declared.isdecimal() else 0
        self._awaited = "expect" in headers  # it is sent when it is asked for
        self.whole = False

    async def read(self) -> bytes:
        """Return the whole body.

        Raises:
            Refused: it is too long, or did not come in whole, or not in time.
        """
        if self._declared > self._most:
            raise too_large(self._most)
        late = asyncio.get_running_loop().time() + BODY_TIMEOUT_S
        try:
            while not self.whole:
                self._take(await self._receive_by(late))
        except TimeoutError as exc:
            raise _incomplete() from exc
        if self._size > self._most:
            raise too_large(self._most)
        return b"".join(self._chunks)

    async def wait(self, most: int, within_s: float) -> None:
        """Buffer a body of up to ``most`` bytes for up to ``within_s`` seconds, unless it waits for a 100 Continue."""
        late = asyncio.get_running_loop().time() + within_s
        if self._awaited or self._declared > most:
            return
        try:
            while not self.whole and self._size <= most:
                self._take(await self._receive_by(late))
        except (TimeoutError, Refused):
            pass  # reading the body raises it again

    async def may_be_followed(self, status: int) -> bool:
        """Return whether the connection can carry another request after this one is answered with ``status``.

        A body that was not read yet is read and dropped. If it is too long or too slow, the answer is False.
        """
        if self.whole:
            return True
        if status in _UNWANTED or self._awaited or self._declared > self._most:
            return False
        late = asyncio.get_running_loop().time() + UNWANTED_TIMEOUT_S
        left = self._most - self._size
        try:
            while (message := await self._receive_by(late))["type"] == "http.request":
                left -= len(message.get("body", b""))
                if left < 0 or not message.get("more_body", False):
                    return left >= 0
        except TimeoutError:
            pass
        return False

    def _take(self, message: Mapping[str, Any]) -> None:
        if message["type"] == "http.disconnect":
            raise _incomplete()
        chunk = bytes(message.get("body", b""))
        self._chunks.append(chunk)
        self._size += len(chunk)
        self.whole = not message.get("more_body", False)
        if self._size > self._most:
            raise too_large(self._most)

    async def _receive_by(self, late: float) -> MutableMapping[str, Any]:
        """Receive one message before ``late``, the loop's time.

        The clock is checked too: asyncio.timeout_at does not end a wait for a message that is there already.

        Raises:
            TimeoutError: none came.
        """
        if self._here:
            return await self._receive()
        if asyncio.get_running_loop().time() >= late:
            raise TimeoutError
        async with asyncio.timeout_at(late):
            return await self._receive()


class Brake:
    """Slow down senders that repeat a request at once after a 429: hold their answers back.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._free = asyncio.Semaphore(MOST_HELD)
        self._second = self._answered = 0

    async def hold(self, status: int) -> None:
        """Wait before an answer with ``status`` is sent, if it is one of many 429s a second and not too many wait."""
        if status == 429 and self._many() and not self._free.locked():
            async with self._free:
                await asyncio.sleep(HOLD_S)

    def _many(self) -> bool:
        second = int(self._clock())
        if second != self._second:
            self._second, self._answered = second, 0
        self._answered += 1
        return self._answered > UNHELD_PER_S


#: No cache may keep what is one tenant's: it would not know ``x-api-key`` for a credential (RFC 9111, section 3.5).
_SAFE = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))


async def send_answer(
    send: Send, status: int, headers: Iterable[tuple[str, str]], body: bytes, *, head_only: bool = False
) -> None:
    """Send a whole answer; with ``head_only`` all but its body."""
    pairs = [*_SAFE, *((name.encode("latin-1"), value.encode("latin-1")) for name, value in headers)]
    await send({"type": "http.response.start", "status": status, "headers": pairs})
    await send({"type": "http.response.body", "body": b"" if head_only else body})


async def lifespan(receive: Receive, send: Send) -> None:
    """Acknowledge the start and the end of the server: nothing is made before the first request."""
    while (message := await receive())["type"] != "lifespan.shutdown":
        await send({"type": f"{message['type']}.complete"})
    await send({"type": "lifespan.shutdown.complete"})


def _incomplete() -> Refused:
    return Refused("Request timeout", status=408, detail="the body did not come in whole")
