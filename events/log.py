"""Structured logs: one JSON object a line on stderr, with the context bound once per unit of work.

Decisions are logged with fields; payloads, keys and credentials never are.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

_context: ContextVar[dict[str, Any]] = ContextVar("log_context", default={})  # noqa: B039 - never mutated


_OURS = "sspp"


class _JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, event, then the bound and the given fields."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name.removeprefix(f"{_OURS}."),
            "event": record.getMessage(),
            **_context.get(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


@contextmanager
def bound(**fields: object) -> Iterator[None]:
    """Add ``fields`` to every line logged inside the block."""
    token = _context.set({**_context.get(), **fields})
    try:
        yield
    finally:
        _context.reset(token)


def configure(level: str) -> None:
    """Send the log of this process to stderr as JSON lines: ours from ``level`` up, libraries' warnings."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger(_OURS).setLevel(level.upper())


class Throttle:
    """Lets so many lines a second through and counts the rest.

    Args:
        most: lines a second.
        clock: seconds, monotonic.
    """

    def __init__(self, most: int, clock: Callable[[], float]) -> None:
        self._most = most
        self._clock = clock
        self._second = -1
        self._let_through = 0
        self._left_out = 0

    def admit(self) -> int | None:
        """Return how many lines were left out since the last one; None when this line is one too many."""
        second = int(self._clock())
        if second != self._second:
            self._second, self._let_through = second, 0
        if self._let_through >= self._most:
            self._left_out += 1
            return None
        self._let_through += 1
        left_out, self._left_out = self._left_out, 0
        return left_out


class Log:
    """A named logger whose calls take fields: ``log.info("entry_buried", attempt=4)``."""

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger = logging.getLogger(f"{_OURS}.{name}")
        self._clock = clock
        self._often: dict[str, Throttle] = {}

    def debug(self, event: str, **fields: object) -> None:
        """Log what only someone looking for it wants to see."""
        self._logger.debug(event, extra={"fields": fields})

    def info(self, event: str, **fields: object) -> None:
        """Log a decision."""
        self._logger.info(event, extra={"fields": fields})

    def warning(self, event: str, **fields: object) -> None:
        """Log what will need somebody if it goes on."""
        self._logger.warning(event, extra={"fields": fields})

    def often(self, event: str, *, trace: bool = False, **fields: object) -> None:
        """Log what may come with every request: one line a second, which says how many were left out before it.

        Args:
            event: one of a closed set; each has its own second.
            trace: add the exception being handled, and log an error instead of a warning.
        """
        throttle = self._often.setdefault(event, Throttle(1, self._clock))
        if (left_out := throttle.admit()) is None:
            return
        level = logging.ERROR if trace else logging.WARNING
        self._logger.log(level, event, exc_info=trace, extra={"fields": {**fields, "left_out": left_out}})

    def error(self, event: str, *, trace: bool = False, **fields: object) -> None:
        """Log what needs somebody now; ``trace`` adds the exception being handled."""
        self._logger.error(event, exc_info=trace, extra={"fields": fields})
