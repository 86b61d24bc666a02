"""An entry of a channel, as a dispatcher gets it, and what may become of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

#: Bytes of events that are handed out at once, exceeded by one step of reading or by one larger event. The memory of a
#: dispatcher and of its function follows from it: parsed JSON can take 40 times its size.
HANDED_BYTES = 2 * 1024 * 1024


class Entry(NamedTuple):
    """One delivery of one event.

    Args:
        id: the stream's id of it, which it keeps as a retry.
        event: structured JSON.
        attempts: deliveries that failed before this one.
        first_ms: when the first of them was, Unix ms; 0 when this is the first.
        handed: how often it was handed out since its last verdict, this time included.
        lease_ms: when the lease of a retry ends, Redis' Unix ms; 0 for an entry of the stream.
    """

    id: str
    event: bytes
    attempts: int = 0
    first_ms: int = 0
    handed: int = 1
    lease_ms: int = 0


class Done(NamedTuple):
    """Ack: the entry goes, and its replies go to the next channels, as ``(channel, event)``."""

    replies: Sequence[tuple[str, bytes]] = ()


@dataclass(frozen=True, slots=True)
class Park:
    """Schedule a retry in ``wait_ms``, as attempt number ``attempts`` + 1."""

    wait_ms: int
    attempts: int
    first_ms: int


@dataclass(frozen=True, slots=True)
class Bury:
    """Dead-letter: ``event`` with its error attributes goes to the dead letters.

    Args:
        reason: the beginning of the last answer.
        status: of the last answer; 0 for none.
        tenant: whose it was; empty where the event does not say.
        event_id: the id that senders were given for it; empty for what no sender sent.
        first_ms, last_ms: when its first and last attempt were, Unix ms.
    """

    event: bytes
    reason: str
    status: int
    tenant: str
    attempts: int
    first_ms: int
    last_ms: int
    event_id: str = ""


Outcome = Done | Park | Bury


@dataclass(frozen=True, slots=True)
class Found:
    """The abandoned or due entries that were found, and how many others had lost their event."""

    entries: list[Entry]
    vanished: int = 0
