"""Whether the host name of a target resolves, as a readiness check: a wrong URL shows before an event waits on it."""

from __future__ import annotations

import socket
from collections.abc import Callable

from events.errors import Unavailable
from events.log import Log

#: Seconds that a name may be unknown before it counts as wrong: DNS servers restart, and Services are created late.
UNKNOWN_FOR_S = 60.0

log = Log("dispatcher")


class HostName:
    """One name, looked up again at every check.

    Args:
        name: a host name or an address.
        now_s: a clock that only goes forward, in seconds.
    """

    def __init__(self, name: str, now_s: Callable[[], float]) -> None:
        self._name = name
        self._now_s = now_s
        self._unknown_since_s: float | None = None

    def ping(self) -> None:
        """Raise :class:`Unavailable` once the name has not resolved for :data:`UNKNOWN_FOR_S`, and log it."""
        try:
            socket.getaddrinfo(self._name, None)
        except (OSError, UnicodeError) as exc:
            now_s = self._now_s()
            if self._unknown_since_s is None:
                self._unknown_since_s = now_s
            if (unknown_s := now_s - self._unknown_since_s) >= UNKNOWN_FOR_S:
                log.error("target_unresolved", host=self._name, for_s=int(unknown_s), error=str(exc))
                raise Unavailable(f"{self._name} (its name does not resolve)") from exc
        else:
            self._unknown_since_s = None
