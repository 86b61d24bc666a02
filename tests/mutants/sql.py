"""Mutants of SQL: a statement with one condition, direction or choice turned round."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

#: What is looked for in the code -> what is put in its place.
FLIPS = (
    (r"(?<![<>])=", "<>"),
    (r"<>", "="),
    (r"<=", "<"),
    (r"<(?![=>])", "<="),
    (r">=", ">"),
    (r"(?<!<)>(?!=)(?<!->)", ">="),
    (r"\bIS NULL\b", "IS NOT NULL"),
    (r"\bIS NOT NULL\b", "IS NULL"),
    (r"\bAND\b", "OR"),
    (r"\bOR\b", "AND"),
    (r"\bNOT (?=quiet|EXISTS)", ""),
    (r" DESC\b", ""),
    (r"\bgreatest\(", "least("),
    (r"\bleast\(", "greatest("),
    (r"\bmax\(", "min("),
    (r" \+ ", " - "),
    (r"\bLEFT JOIN\b", "JOIN"),
    (r"\bWITH TIES\b", "ONLY"),
)
HEADING = re.compile(r"^-- (\w+) --$", re.MULTILINE)
#: Comments, texts, parameters and operators that hold one of the others: nothing in them is looked for.
NO_CODE = re.compile(r"--[^\n]*|'[^']*'|BETWEEN UNBOUNDED PRECEDING AND|->>?")


@dataclass(frozen=True)
class Mutant:
    """A file with one change.

    Args:
        text: the whole file.
        what: the line, and what stands in it now.
    """

    statement: str
    line: int
    what: str
    text: str


def mutants(text: str) -> Iterator[Mutant]:
    """Yield every mutant of a file of named statements, in the order of the file."""
    code = NO_CODE.sub(lambda match: " " * len(match[0]), text)
    found = [(match.start(), match.end(), new) for pattern, new in FLIPS for match in re.finditer(pattern, code)]
    for start, end, new in sorted(found):
        changed = text[:start] + new + text[end:]
        number = text.count("\n", 0, start)
        [*_, statement] = HEADING.findall(text[:start])
        yield Mutant(
            statement,
            number + 1,
            f"{text[start:end].strip()} -> {new.strip() or 'nothing'} in {text.splitlines()[number].strip()}",
            changed,
        )
