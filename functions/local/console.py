"""What a person sees of the local run: every part's lines under its name, log records made readable."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TextIO

_RESET = "\033[0m"
_DIM = "\033[2m"
#: Colours that can be read on dark and on light ground, handed out in turn.
_COLOURS = tuple(f"\033[{code}m" for code in (36, 32, 33, 35, 34, 96, 92, 93, 95, 94))
_LEVEL_COLOURS: Mapping[str, str] = {"warning": "\033[33m", "error": "\033[31m", "critical": "\033[31m"}
#: Columns of the name, wide enough for the longest.
_NAME_WIDTH = 12
_LEVEL_WIDTH = 8
#: Fields of a log record that have a place of their own, or none.
_PLACED = frozenset({"time", "level", "logger", "event", "trace"})


class Console:
    """Writes to ``out``; once nobody reads it any more, writes nothing and lets the run go on.

    Args:
        colour: whether ``out`` understands colours and they are wanted.
        now: local time of lines that carry none.
    """

    def __init__(self, out: TextIO, *, colour: bool, now: Callable[[], datetime] = datetime.now) -> None:
        self._out: TextIO | None = out
        self._colour = colour
        self._now = now
        self._colours: dict[str, str] = {}

    def part(self, name: str, line: str) -> None:
        """Show one line of output of the part ``name``."""
        record = _record(line)
        if record is None:
            self._show(self._now(), name, line)
            return
        level = f"{record['level']!s:<{_LEVEL_WIDTH}}"
        tinted = self._tint(_LEVEL_COLOURS.get(str(record["level"]), ""), level)
        self._show(_local(record["time"], self._now), name, tinted + _sentence(record))
        for traced in str(record.get("trace", "")).splitlines():
            self._show(_local(record["time"], self._now), name, f"  {traced}")

    def say(self, text: str) -> None:
        """Show a line of the supervisor's own."""
        self._show(self._now(), "sspp", text)

    def plain(self, text: str) -> None:
        """Show ``text`` as it is."""
        if self._out is None:
            return
        try:
            print(text, file=self._out, flush=True)
        except (OSError, ValueError):  # the terminal was closed, or `make run | head` has enough
            self._out = None

    def _show(self, time: datetime, name: str, text: str) -> None:
        colour = self._colours.setdefault(name, _COLOURS[len(self._colours) % len(_COLOURS)])
        padded = f"{name:<{_NAME_WIDTH}}"
        self.plain(f"{self._tint(_DIM, f'{time:%H:%M:%S}')} {self._tint(colour, padded)} {text}")

    def _tint(self, code: str, text: str) -> str:
        return f"{code}{text}{_RESET}" if self._colour and code else text


def _record(line: str) -> dict[str, Any] | None:
    """Parse a line of events/log.py; None when it is something else."""
    if not line.startswith("{"):
        return None
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) and {"time", "level", "event"} <= record.keys() else None


def _local(time: object, now: Callable[[], datetime]) -> datetime:
    try:
        return datetime.fromisoformat(str(time)).astimezone()
    except ValueError:
        return now()


def _sentence(record: Mapping[str, Any]) -> str:
    fields = (f"{key}={_value(value)}" for key, value in record.items() if key not in _PLACED)
    return " ".join([_harmless(str(record["event"])), *fields])


def _value(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if text and text.isprintable() and " " not in text else json.dumps(text)


def _harmless(text: str) -> str:
    """Escape what could steer a terminal: log fields may hold what a sender wrote."""
    return text if text.isprintable() else json.dumps(text)
