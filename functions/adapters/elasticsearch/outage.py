"""That Elasticsearch is away, in one line of the log, and that it is back."""

from __future__ import annotations

import time

from events.log import Log

#: Seconds before it is said again that Elasticsearch is away.
AGAIN_S = 60.0

log = Log("search")


class Outage:
    """Logs that Elasticsearch is away: once, again every :data:`AGAIN_S` seconds, and that it is back."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._logged_at = -AGAIN_S
        self._logged = False

    def lasts(self, why: str) -> None:
        """A request has failed; ``why`` in a word."""
        now = time.monotonic()
        if self._since is None:
            self._since = now
        if now - self._logged_at >= AGAIN_S:
            self._logged_at, self._logged = now, True
            log.warning("elasticsearch_away", why=why, for_s=round(now - self._since), said_again_after_s=AGAIN_S)

    def ends(self) -> None:
        """A request was answered."""
        if self._since is None:
            return
        if self._logged:
            log.warning("elasticsearch_back", after_s=round(time.monotonic() - self._since))
        self._since, self._logged = None, False
