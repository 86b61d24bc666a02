"""The circuit breaker that all deliveries to one function share: whether it may be called."""

from __future__ import annotations

import threading
from collections.abc import Callable

#: The first pause after a failure, doubled with each that follows.
HOLD_FIRST_S = 0.1
#: The longest pause between two tries at a target that is away, unless it asks for more.
HOLD_MAX_S = 5.0
#: The longest pause that a target may ask for.
ASKED_MAX_S = 60.0
#: The most events of a probe, the one request that finds out whether the target is back.
PROBE = 20


class Breaker:
    """Closed while the target answers, open for a time when it does not, then half-open: one probe at a time.

    Args:
        now_s: a monotonic clock, in seconds.
    """

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._lock = threading.Lock()
        self._hold_s = 0.0
        self._until_s = 0.0
        self._prober: int | None = None

    def allows(self, batch: int) -> int:
        """Return how many events may be offered now: ``batch``, those of a probe, or 0 to wait for :meth:`wait_s`.

        A thread that is allowed a probe ends it by :meth:`closed`, :meth:`opened` or :meth:`release_probe`.
        """
        with self._lock:
            if not self._hold_s:
                return batch
            if self._prober is not None or self._now_s() < self._until_s:
                return 0
            self._prober = threading.get_ident()
            return min(batch, PROBE)

    def wait_s(self) -> float:
        """Return the seconds until the next call of :meth:`allows` may succeed."""
        return max(HOLD_FIRST_S, min(HOLD_MAX_S, self._until_s - self._now_s()))

    def closed(self) -> None:
        """Close the breaker: the target has answered."""
        with self._lock:
            self._hold_s, self._prober = 0.0, None

    def opened(self, asked_s: float = 0.0) -> float:
        """Open the breaker, for ``asked_s`` if the target asked for that; return the seconds until the next probe."""
        with self._lock:
            now_s = self._now_s()
            if now_s >= self._until_s or not self._hold_s:  # else another thread has just opened it
                self._hold_s = max(min(self._hold_s * 2 or HOLD_FIRST_S, HOLD_MAX_S), min(asked_s, ASKED_MAX_S))
                self._until_s = now_s + self._hold_s
            self._prober = None
            return self._hold_s

    def probing(self) -> bool:
        """Return whether the calling thread has the probe."""
        return self._prober == threading.get_ident()

    def release_probe(self) -> bool:
        """Release this thread's probe, if it has one; return True if the probe never reached the target."""
        with self._lock:
            unanswered = self.probing()
            if unanswered:
                self._prober = None
            return unanswered
