"""Stop the line: when most of what was delivered lately is to be buried, a deploy is broken and not the events."""

from __future__ import annotations

import threading
from collections import Counter, deque

#: How many of the latest verdicts are judged.
WINDOW = 400
#: Fewer than this many say nothing.
LEAST = 20


class Line:
    """The latest verdicts of one channel.

    Args:
        share: the share of them that may be burials; 1.0 never stops.
    """

    def __init__(self, share: float) -> None:
        self._share = share
        self._lock = threading.Lock()
        self._latest: deque[tuple[str, bool]] = deque(maxlen=WINDOW)

    def stopped_by(self, verdicts: list[tuple[str, bool]]) -> bool:
        """Add what became of a batch, as ``(tenant, buried)``; say whether its burials must wait.

        The tenant with the most burials is left out while enough is known of the others, so that one who sends
        what can never succeed does not stop the line for everybody.
        """
        with self._lock:
            self._latest.extend(verdicts)
            latest = list(self._latest)
        if not any(buried for _, buried in verdicts):
            return False
        worst = Counter(tenant for tenant, buried in latest if buried).most_common(1)[0][0]
        others = [buried for tenant, buried in latest if tenant != worst]
        judged = others if len(others) >= LEAST else [buried for _, buried in latest]
        return len(judged) >= LEAST and sum(judged) > self._share * len(judged)
