"""Wake a function that is scaled to zero: the first request starts it, whatever the request asks for."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

#: Seconds to wait for the answer. While a function starts, this request is the only sign that it is needed.
TIMEOUT_S = 30.0
#: A function that had a request this short a time ago is awake: Knative's window is 30 s (knative/base/functions).
PAUSE_S = 20.0


def wake(url: str) -> threading.Thread:
    """Request ``/live`` of the function at ``url`` in a thread of its own; the answer does not matter."""
    thread = threading.Thread(target=_ask, args=(url,), daemon=True, name="wake")
    thread.start()
    return thread


def _ask(url: str) -> None:
    target = urlsplit(url)
    kind = HTTPSConnection if target.scheme == "https" else HTTPConnection
    connection = kind(target.hostname or "", target.port, timeout=TIMEOUT_S)
    with suppress(OSError, HTTPException):
        connection.request("GET", "/live")
        connection.getresponse().read()
    connection.close()


class Waker:
    """Wake functions when an event is accepted after a pause, before it has reached them.

    Args:
        urls: of the functions; empty for none.
        clock: seconds, monotonic.
        wake: :func:`wake`, or a test's substitute.
    """

    def __init__(self, urls: Sequence[str], clock: Callable[[], float], wake: Callable[[str], object] = wake) -> None:
        self._urls = urls
        self._clock = clock
        self._wake = wake
        self._last = -math.inf

    def notice(self) -> None:
        """Note that an event was accepted. Returns at once."""
        now = self._clock()
        if self._urls and now - self._last > PAUSE_S:
            for url in self._urls:
                self._wake(url)
        self._last = now
