"""``python -m functions.tick``: tell process that time has passed. One CloudEvent, named by its quarter of an hour,
so that a repeat is the same event.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from uuid import NAMESPACE_URL, uuid5

from pydantic_core import to_json

from events import log, settings
from events.delivery import Target
from events.errors import Refused, SsppError, Unavailable

TYPE = "io.sspp.tick"
SOURCE = "/sspp/clock"
#: How often it ticks; the CronJob's schedule says the same.
EVERY_MINUTES = 15


def main() -> None:
    """Tick once; exit 1 with a sentence when it was not taken, so that the Job tries again."""
    try:
        told = settings.read(os.environ, require=settings.REQUIRED["tick"])
        log.configure(told.log_level)
        tick(Target(told.target_url, token=told.delivery_token, timeout_s=told.delivery_timeout_s), datetime.now(UTC))
    except SsppError as exc:
        sys.exit(f"tick: {exc}")


def tick(target: Target, now: datetime) -> None:
    """Deliver the tick of ``now`` as a batch of one.

    Raises:
        Unavailable: nobody took it; the same tick again is safe.
        Refused: it will never be taken.
    """
    when = scheduled(now)
    try:
        answer = target.deliver([event(when)])
    finally:
        target.close()
    verdict = answer[0].verdict if isinstance(answer, list) else answer
    if verdict.delivered:
        log.Log("tick").info("ticked", at=when.isoformat())
    elif verdict.worth_retrying:
        raise Unavailable("target")
    else:
        raise Refused(f"the target answers {verdict.status}: {verdict.detail}", status=verdict.status)


def scheduled(now: datetime) -> datetime:
    """The last full quarter of an hour, UTC: a Job that starts late ticks for the moment it was due."""
    return now.replace(minute=now.minute - now.minute % EVERY_MINUTES, second=0, microsecond=0)


def event(when: datetime) -> bytes:
    """The tick of ``when`` as structured JSON, the same bytes each time."""
    at = when.isoformat().replace("+00:00", "Z")
    return to_json(
        {
            "specversion": "1.0",
            "id": str(uuid5(NAMESPACE_URL, f"{SOURCE} {at}")),
            "source": SOURCE,
            "type": TYPE,
            "time": at,
            "datacontenttype": "application/json",
            "data": {"at": at},
        }
    )


if __name__ == "__main__":
    main()
