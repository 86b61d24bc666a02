"""What is written: results to standard output, words about them to standard error."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from pydantic_core import to_json

from functions.domain.signal import instant

#: Columns of a table; a terminal split in two still shows them.
WIDTH = 100
#: No column is cut shorter than this; the first, and moments, never are.
_LEAST = 8
_GAP = "  "


def result(text: str) -> None:
    """Write a result, alone on its line."""
    print(text)


def remark(text: str) -> None:
    """Say something about a result."""
    print(text, file=sys.stderr)


def complain(text: str) -> None:
    """Say in a line what went wrong."""
    print(f"sspp: {text}", file=sys.stderr)


def agreed(question: str) -> bool:
    """Ask whoever sits at the terminal; nobody there agrees to nothing."""
    if not sys.stdin.isatty():
        return False
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def give_up() -> None:
    """Let go of a standard output that nobody reads, so that the interpreter's end does not complain as well."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def moment(at: datetime) -> str:
    """Write a moment as the API does, RFC 3339 in UTC, to the second."""
    return instant(at.replace(microsecond=0))


def listing(rows: Sequence[Mapping[str, object]], columns: Sequence[str], *, as_json: bool) -> None:
    """Write rows as a table of ``columns``, or all there is of them as one JSON array."""
    if as_json:
        print(to_json(rows, indent=2).decode())
    elif rows:
        cells = [[_cell(row[column]) for column in columns] for row in rows]
        moments = {at for at, column in enumerate(columns) for row in rows if isinstance(row[column], datetime)}
        for line in _table([list(columns), *cells], {0, *moments}):
            print(line)
    else:
        remark("there are none")


def record(row: Mapping[str, object], *, as_json: bool) -> None:
    """Write one row: a line for each field, or a JSON object."""
    if as_json:
        print(to_json(row, indent=2).decode())
        return
    for name, value in row.items():
        print(f"{name}: {_cell(value)}")


def _cell(value: object) -> str:
    """Show one value; what could steer a terminal is escaped."""
    match value:
        case None | False:
            return "-"
        case True:
            return "yes"
        case datetime():
            return moment(value)
        case list():
            return " ".join(map(str, value))
        case _:
            text = str(value)
            return text if text.isprintable() else json.dumps(text)


def _table(lines: Sequence[Sequence[str]], whole: Collection[int]) -> list[str]:
    """Align columns, cutting the widest until they fit, but none of those that stay whole."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    while sum(widths) + len(_GAP) * (len(widths) - 1) > WIDTH:
        width, at = max(((width, -at) for at, width in enumerate(widths) if at not in whole), default=(0, 0))
        if width <= _LEAST:
            break
        widths[-at] -= 1
    return [
        _GAP.join(_cut(cell, width).ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
