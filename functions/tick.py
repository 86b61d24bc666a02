"""``python -m functions.tick``: tell process that time has passed. One CloudEvent goes the way of all events, so
that what it leads to is retried and settled like theirs; it is named by its hour.
"""

from __future__ import annotations

import os
import sys
from contextlib import closing
from datetime import UTC, datetime
from uuid import NAMESPACE_URL, uuid5

from pydantic_core import to_json

from events import channel, log, settings
from events.channel import Channel
from events.errors import SsppError
from functions.domain.signal import instant
from functions.process.handler import TICK

SOURCE = "/sspp/clock"


def main() -> None:
    """Tick once; exit 1 with a sentence when Redis is away, so that the Job tries again."""
    try:
        told = settings.read(os.environ, require=settings.REQUIRED["tick"])
        log.configure(told.log_level)
        with closing(channel.connect(told.redis_url)) as client:
            when = scheduled(datetime.now(UTC))
            Channel(client, "events", 0, "tick").publish(event(when))
            log.Log("tick").info("ticked", at=when.isoformat())
    except SsppError as exc:
        sys.exit(f"tick: {exc}")


def scheduled(now: datetime) -> datetime:
    """The last full hour, UTC: a Job that starts late ticks for the moment it was due."""
    return now.replace(minute=0, second=0, microsecond=0)


def event(when: datetime) -> bytes:
    """The tick of ``when`` as structured JSON, the same bytes each time."""
    at = instant(when)
    return to_json(
        {
            "specversion": "1.0",
            "id": uuid5(NAMESPACE_URL, f"{SOURCE} {at}"),
            "source": SOURCE,
            "type": TICK,
            "time": at,
        }
    )


if __name__ == "__main__":
    main()
