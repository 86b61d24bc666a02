"""The trace a request belongs to: W3C Trace Context, version 00."""

from __future__ import annotations

import re
from collections.abc import Callable

_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def traceparent(given: str | None, random_bytes: Callable[[int], bytes]) -> str:
    """Give the sender's ``traceparent`` where it is a valid one, else begin a trace of our own, not sampled."""
    if given is not None and _TRACEPARENT.fullmatch(given):
        return given
    drawn = random_bytes(24).hex()
    return f"00-{drawn[:32]}-{drawn[32:]}-00"
