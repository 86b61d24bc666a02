"""``python -m functions.tick [--every SECONDS]``: the clock.

Once an hour it publishes a CloudEvent that tells process the time, so that its consequences are retried and settled
like those of other events. Each time, it has process look at the accounts whose insights silence may have changed,
fills a Redis that came back without its data from PostgreSQL, publishes the ids that were left out of full channels,
makes signals of an earlier version searchable, and notifies tenants that come near a monthly limit.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from argparse import ArgumentParser
from contextlib import closing
from datetime import UTC, datetime

from events import channel, log
from events.channel import Channel, translated
from events.errors import SsppError, Unavailable
from events.settings import TickSettings
from functions.adapters.redis import partitions
from functions.domain.platform_events import TICK, of_clock
from functions.domain.signal import instant
from functions.service import catch_up, quota, restore, searchable, silence

#: The hour of the latest tick.
TICKED_KEY = "sspp:ticked"
#: Seconds after which the hour of the latest tick is forgotten.
TICKED_KEPT_S = 7200

_LOG = log.Log("tick")


def main() -> None:
    """Look once; exit 1 with a sentence when a store is away, so that the next look tries again."""
    parser = ArgumentParser(prog="tick", description="tell process the hour, and fill a Redis that lost its data")
    parser.add_argument("--every", type=float, metavar="SECONDS", help="look again and again; without it, once")
    every_s = parser.parse_args().every
    try:
        settings = TickSettings.read(os.environ)
        log.configure(settings.log_level)
        if every_s:
            _look_on(settings, every_s)
        else:
            look(settings, datetime.now(UTC))
    except SsppError as exc:
        sys.exit(f"tick: {exc.in_full}")


def _look_on(settings: TickSettings, every_s: float) -> None:
    """Look every ``every_s`` seconds until SIGTERM or SIGINT."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    while not stopping.is_set():
        try:
            look(settings, datetime.now(UTC))
        except Unavailable as exc:
            _LOG.warning("waiting", store=exc.what, reason=exc.reason)
        stopping.wait(every_s)


def look(settings: TickSettings, now: datetime) -> None:
    """Do what is due.

    Raises:
        Unavailable: a store could not be reached; the next look does it.
    """
    if restore.heal(settings, now):
        _LOG.warning("redis_filled", reason="Redis had come back without its data; what waited in it is lost")
    if restore.follow_up(settings, now):
        _LOG.info("behind", reason="ids of what was recorded last, before Redis lost its data, are published again")
    _tick(settings, scheduled(now))
    if silence.tell(settings, now):
        _LOG.info("accounts_due", at=instant(now), reason="silence may have changed insights of theirs")
    with closing(channel.connect(settings.redis_url)) as client:
        if partitions.forget_bytes(client, settings.partitions):
            _LOG.warning(
                "bytes_forgotten", reason="bytes were counted where nothing waits: entries were deleted by hand"
            )
    if entries := catch_up.catch_up(settings, now, time.monotonic):
        _LOG.info("caught_up", entries=entries, reason="ids left out for index and notify while too many waited")
    if signals := searchable.fill(settings, time.monotonic):
        _LOG.info("searchable", signals=signals, reason="they were recorded without the words they are found by")
    if new := quota.tell(settings, now):
        _LOG.info("quota_reached", notices=new)


def _tick(settings: TickSettings, when: datetime) -> None:
    """Publish the tick of ``when``, unless that was done."""
    with closing(channel.connect(settings.redis_url)) as client, translated():
        if client.get(TICKED_KEY) == when.isoformat().encode():
            return
        # Published before it is noted: a process that dies in between publishes twice, which the id makes harmless.
        Channel(client, "events", 0, "tick").publish(event(when))
        client.set(TICKED_KEY, when.isoformat(), ex=TICKED_KEPT_S)
    _LOG.info("ticked", at=when.isoformat())


def scheduled(now: datetime) -> datetime:
    """Return the last full hour, UTC: a late run publishes the tick of the moment it was due."""
    return now.replace(minute=0, second=0, microsecond=0)


def event(when: datetime) -> bytes:
    """Return the tick of ``when`` as structured JSON, the same bytes each time."""
    return of_clock(TICK, when)


if __name__ == "__main__":
    main()
