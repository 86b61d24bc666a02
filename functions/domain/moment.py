"""Moments as people and programs write them: ISO 8601, or Unix time in seconds or milliseconds."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

#: Unix times are read within these years. Other numbers are dates without separators, or in other units.
_FIRST_S, _LAST_S = 946_684_800, 4_102_444_800  # 2000-01-01, 2100-01-01
#: What :func:`moment` reads, as JSON Schema.
SCHEMA = {
    "anyOf": [
        {"type": "string", "format": "date-time", "maxLength": 64},
        {"type": "string", "format": "date"},
        *({"type": "number", "minimum": _FIRST_S * unit, "exclusiveMaximum": _LAST_S * unit} for unit in (1, 1000)),
    ]
}
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?\Z")
#: datetime.fromisoformat takes any character between date and time, digits too.
_ISO = re.compile(r"[0-9]{4}(-?[0-9]{2}-?[0-9]{2}|-?W[0-9]{2}(-?[0-9])?)([Tt ].*)?\Z")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(given: str | float) -> datetime:
    """Return the moment in UTC; a text that names no zone is in UTC.

    Raises:
        ValueError, OverflowError: it is none.
    """
    if not isinstance(given, str) or _NUMBER.match(given):
        return _of_number(float(given))
    if not _ISO.match(given):
        raise ValueError("no date and time")
    return utc(datetime.fromisoformat(given))


def utc(moment: datetime) -> datetime:
    """Return the moment in UTC; one without a zone is in UTC.

    Raises:
        OverflowError: it is before the first or after the last year there.
    """
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def of_unix_ms(ms: int) -> datetime:
    """Return the moment of a Unix time in milliseconds."""
    return _EPOCH + timedelta(milliseconds=ms)


def unix_ms(moment: datetime) -> int:
    """Return the first Unix ms that is not before ``moment``."""
    return -((_EPOCH - moment) // timedelta(milliseconds=1))


def _of_number(number: float) -> datetime:
    for units in (1, 1000):
        if _FIRST_S <= number / units < _LAST_S:
            return _EPOCH + timedelta(seconds=number / units)
    raise ValueError("no Unix time in seconds or milliseconds of this century")
