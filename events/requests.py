"""Which entries go into which request. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from events.entry import HANDED_BYTES, Entry

#: An entry that was handed out this often without a verdict is delivered alone: it may be what kills its dispatcher.
SUSPECT = 3
#: The most bytes of events in one request, unless one event alone is larger.
REQUEST_BYTES = HANDED_BYTES


class Plan(NamedTuple):
    """How a batch is delivered: each entry is in one request, or is given up.

    Args:
        requests: in the order in which they are sent. Suspects come last, each alone.
        given_up: entries that were delivered alone already and never got a verdict.
    """

    requests: list[list[Entry]]
    given_up: list[Entry]


def plan(entries: Sequence[Entry]) -> Plan:
    """Return the requests for ``entries``, which stay in their order."""
    together = _packed([entry for entry in entries if entry.handed < SUSPECT])
    alone = [[entry] for entry in entries if entry.handed == SUSPECT]
    return Plan(together + alone, [entry for entry in entries if entry.handed > SUSPECT])


def halves(request: Sequence[Entry]) -> list[list[Entry]]:
    """Return both halves of a request that failed without verdicts, to find the event that makes it fail."""
    half = len(request) // 2
    return [list(request[:half]), list(request[half:])]


def not_offered(requests: Sequence[Sequence[Entry]], failed: Sequence[Entry]) -> list[Entry]:
    """Return the entries of requests that are not made, for the channel to take back.

    Args:
        failed: the entries of the last request that failed. One of them may have ended the target, so their
            hand-out counts: it is raised by the one that returning an entry takes off.
    """
    ids = {entry.id for entry in failed}
    left = (entry for request in requests for entry in request)
    return [entry._replace(handed=entry.handed + 1) if entry.id in ids else entry for entry in left]


def size(entries: Sequence[Entry]) -> int:
    """Return the bytes of the entries' events."""
    return sum([len(entry.event) for entry in entries])


def _packed(entries: Sequence[Entry]) -> list[list[Entry]]:
    """Fill one request after the other, each up to :data:`REQUEST_BYTES`."""
    requests: list[list[Entry]] = []
    left = 0
    for entry in entries:
        if not requests or len(entry.event) > left:
            requests.append([])
            left = REQUEST_BYTES
        requests[-1].append(entry)
        left -= len(entry.event)
    return requests
