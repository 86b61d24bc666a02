"""What is written: results to standard output, words about them to standard error."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from io import StringIO

#: Columns of a table; a terminal split in two still shows them.
WIDTH = 100
#: No column is cut shorter than this; the first, and moments, never are.
_LEAST = 8
#: Spaces between two columns.
_GAP = 2


class NotWritten(Exception):
    """Standard output cannot be written to. The command was done all the same."""


def result(text: str) -> None:
    """Write a result, alone on its line."""
    try:
        print(text)
    except OSError as exc:
        raise NotWritten(exc.strerror) from exc


def flush() -> None:
    """Write what is buffered."""
    try:
        sys.stdout.flush()
    except OSError as exc:
        raise NotWritten(exc.strerror) from exc


def document(value: object) -> None:
    """Write a result as JSON."""
    from pydantic_core import to_json

    result(to_json(value, indent=2).decode())


def done(value: Mapping[str, object], *, as_json: bool, text: str = "", remark: str = "") -> None:
    """Write what an action came to: all of ``value`` as JSON, or ``text`` as the result and a remark about it."""
    if as_json:
        document(value)
        return
    if text:
        result(text)
    if remark:
        say(remark)


def say(text: str) -> None:
    """Write a remark to standard error."""
    print(text, file=sys.stderr)


def complain(text: str) -> None:
    """Write in one line to standard error what went wrong."""
    print(f"sspp: {text}", file=sys.stderr)


def agreed(question: str) -> bool:
    """Return whether the operator at the terminal agrees; without a terminal, False."""
    if not sys.stdin.isatty():
        return False
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def give_up() -> None:
    """Point standard output at nothing, so that the interpreter's end does not complain about it as well."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def moment(at: datetime) -> str:
    """Write a moment as the API does, RFC 3339 in UTC, to the second."""
    return at.astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")


def listing(rows: Sequence[Mapping[str, object]], columns: Sequence[str], *, as_json: bool) -> None:
    """Write rows as a table of ``columns``, or all there is of them as one JSON array."""
    if as_json:
        document(rows)
    elif rows:
        result(_table(rows, columns))
    else:
        say("there are none")


def record(row: Mapping[str, object], *, as_json: bool) -> None:
    """Write one row: a line for each field, or a JSON object."""
    if as_json:
        document(row)
        return
    for name, value in row.items():
        result(f"{name}: {_cell(value)}")


def _table(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> str:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    cells = [[_cell(row[column]) for column in columns] for row in rows]
    whole = {
        at for at, column in enumerate(columns) if at == 0 or any(isinstance(row[column], datetime) for row in rows)
    }
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0))
    for column, width in zip(columns, _widths([columns, *cells], whole), strict=True):
        table.add_column(column, no_wrap=True, overflow="ellipsis", width=width)
    for line in cells:
        table.add_row(*map(Text, line))
    written = StringIO()
    # Wider than any table: what does not fit is cut above, where moments stay whole.
    Console(file=written, width=10 * WIDTH, force_terminal=sys.stdout.isatty(), highlight=False).print(table)
    return "\n".join(line.rstrip() for line in written.getvalue().splitlines())


def _widths(lines: Sequence[Sequence[str]], whole: Collection[int]) -> list[int]:
    """Return the columns' widths: the widest is cut until all fit, but none of those that stay ``whole``."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    while sum(widths) + _GAP * (len(widths) - 1) > WIDTH:
        width, at = max(((width, -at) for at, width in enumerate(widths) if at not in whole), default=(0, 0))
        if width <= _LEAST:
            break
        widths[-at] -= 1
    return widths


def _cell(value: object) -> str:
    """Write one value. What could steer a terminal is escaped."""
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
