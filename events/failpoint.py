"""Named places where a test may kill the process. Nothing happens unless SSPP_FAILPOINTS names one."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from itertools import count

from events.errors import ConfigError
from events.log import Log

#: Every place there is: what has just happened when it is reached.
PLACES = frozenset(
    {
        "ingest.stored",
        "dispatcher.read",
        "dispatcher.delivered",
        "dispatcher.settled",
        "process.written",
        "process.committed",
        "index.written",
        "notify.sending",
        "notify.sent",
        "notify.committed",
    }
)

_armed: dict[str, int] = {}
_passed: Mapping[str, count[int]] = {place: count(1) for place in PLACES}


def arm(text: str) -> None:
    """Arm the places that ``text`` names as ``place@n``, comma separated: the n-th time one is reached kills.

    Raises:
        ConfigError: there is no such place, or n is not a number above 0.
    """
    for part in filter(None, text.split(",")):
        place, _, number = part.partition("@")
        if place not in PLACES or not number.isdigit() or not int(number):
            raise ConfigError(f"SSPP_FAILPOINTS: {part!r} is not a place@n of " + ", ".join(sorted(PLACES)))
        _armed[place] = int(number)
    if _armed:
        Log("failpoint").warning("armed", places=",".join(sorted(_armed)))


def reach(place: str) -> None:
    """Kill the process here if a test has armed ``place``."""
    if _armed and next(_passed[place]) == _armed.get(place):
        os.kill(os.getpid(), signal.SIGKILL)
