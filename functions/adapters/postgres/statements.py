"""The named statements in ``sql/``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

_SQL_FOLDER = Path(__file__).parent / "sql"
#: Stands for the text of another statement, so that what several ask is written once.
_INCLUDED = re.compile(r"/\* include (\w+) \*/")
#: ``-- name --`` on a line of its own opens a statement; what follows up to the next one belongs to it.
_HEADING = re.compile(r"^-- (\w+) --$", re.MULTILINE)


@cache
def statements() -> Mapping[str, str]:
    """Every named statement: name -> SQL, comments included, so that they show in the server's log."""
    found: dict[str, str] = {}
    for path in sorted(_SQL_FOLDER.glob("*.sql")):
        parts = _HEADING.split(path.read_text("utf-8"))[1:]
        for name, sql in zip(parts[::2], parts[1::2], strict=True):
            if name in found:
                raise ValueError(f"two statements are called {name}")
            found[name] = sql.strip().rstrip(";")
    return {name: _INCLUDED.sub(lambda match: found[match[1]], sql) for name, sql in found.items()}
