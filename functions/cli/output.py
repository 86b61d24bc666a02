"""What is written: results to standard output, words about them to standard error."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from pydantic_core import to_json

#: Columns of a table; a terminal split in two still shows them.
WIDTH = 100
#: No column but the first is cut shorter than this.
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


def listing(rows: Sequence[Mapping[str, object]], columns: Sequence[str], *, as_json: bool) -> None:
    """Write rows as a table of ``columns``, or all there is of them as one JSON array."""
    if as_json:
        print(to_json(rows, indent=2).decode())
    elif rows:
        cells = [[_cell(row[column]) for column in columns] for row in rows]
        for line in _table([list(columns), *cells]):
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
            return f"{value.astimezone(UTC):%Y-%m-%d %H:%M}"
        case list():
            return " ".join(map(str, value))
        case _:
            text = str(value)
            return text if text.isprintable() else json.dumps(text)


def _table(lines: Sequence[Sequence[str]]) -> list[str]:
    """Align columns, cutting the widest but the first until they fit."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    while sum(widths) + len(_GAP) * (len(widths) - 1) > WIDTH and max(widths[1:]) > _LEAST:
        widths[widths.index(max(widths[1:]), 1)] -= 1
    return [
        _GAP.join(_cut(cell, width).ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
