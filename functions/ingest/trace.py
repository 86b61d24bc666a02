"""The trace a request belongs to: W3C Trace Context, version 00."""

from __future__ import annotations

import re

_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def traceparent(given: str | None) -> str | None:
    """Return the ``traceparent`` header of a request where it is a valid one, else None."""
    return given if given is not None and _TRACEPARENT.fullmatch(given) else None
