"""Wake what sleeps behind a URL: a function at zero is started by the first request, whatever that asks for."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

#: The longest a start is waited for. It goes on without us; what is asked here is all that says it is wanted.
TIMEOUT_S = 30.0
#: A function that had a request this short a time ago is awake: Knative's window is 30 s (knative/base/functions).
PAUSE_S = 20.0


def wake(url: str) -> threading.Thread:
    """Ask the function at ``url`` whether it lives, in a thread of its own; what it says does not matter."""
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
    """Wakes functions when something comes for them after a pause, before it has reached them.

    Args:
        urls: of the functions; empty for none.
        clock: seconds, monotonic.
        wake: :func:`wake`, or what stands for it.
    """

    def __init__(self, urls: Sequence[str], clock: Callable[[], float], wake: Callable[[str], object] = wake) -> None:
        self._urls = urls
        self._clock = clock
        self._wake = wake
        self._last = -math.inf

    def notice(self) -> None:
        """Take note that something came; it takes no time."""
        now = self._clock()
        if self._urls and now - self._last > PAUSE_S:
            for url in self._urls:
                self._wake(url)
        self._last = now
