"""docs/promises.md: what it quotes stands on the pages, and the tests that it names exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = [
    tuple(cell.strip() for cell in line.strip("|").split(" | "))
    for line in (ROOT / "docs" / "promises.md").read_text("utf-8").splitlines()
    if "::test_" in line
]


@cache
def words(page: str) -> str:
    return " ".join((ROOT / "docs" / page).read_text("utf-8").split())


@cache
def functions_of(path: str) -> set[str]:
    tree = ast.parse((ROOT / "tests" / path).read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize(("page", "promise", "test"), ROWS, ids=[row[1][:50] for row in ROWS])
def test_a_promise_is_made_and_held(page: str, promise: str, test: str) -> None:
    assert promise in words(page)
    path, _, name = test.partition("::")
    assert name in functions_of(path)


def test_every_part_of_the_pages_that_promises_something_has_a_row() -> None:
    promised = {row[0] for row in ROWS}
    assert promised == {"manifests.md", "deploy.md", "scale.md", "customers.md", "standing.md"}
    for page in sorted(promised):
        for part in re.split(r"^## ", (ROOT / "docs" / page).read_text("utf-8"), flags=re.MULTILINE)[1:]:
            title, _, text = part.partition("\n")
            if title not in TOLD_ALONE:
                there = " ".join(text.split())
                assert [row for row in ROWS if row[0] == page and row[1] in there], f"{page}, {title}"


#: What a reader is told to do, or measured and computed figures.
TOLD_ALONE = {
    "Taking it down",
    "What an event costs",
    "What limits each part",
    "Past one PostgreSQL",
    "A month, in list prices",
}
