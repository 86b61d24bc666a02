"""The SQL files: every statement is named once, says what it is for, and is used."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from functions.adapters.postgres import database
from functions.adapters.postgres.statements import statements

FOLDER = Path(database.__file__).parent
FILES = sorted((FOLDER / "sql").glob("*.sql"))
MIGRATIONS = sorted((FOLDER / "migrations" / "sql").glob("*.sql"))
HEADING = re.compile(r"^-- (\w+) --$")
ASKING = {"rows", "row", "ordered_rows", "many_rows"}


def asked_for() -> Iterator[str]:
    """The statement names that the adapters' code asks for, and those that others include."""
    for path in FOLDER.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Call(func=ast.Attribute(attr=called), args=[ast.Constant(value=str(name)), *_]) if (
                    called in ASKING
                ):
                    yield name
    for sql in FILES:
        yield from re.findall(r"/\* include (\w+) \*/", sql.read_text("utf-8"))


def test_every_file_is_read():
    assert FILES
    names = [
        match[1] for path in FILES for line in path.read_text("utf-8").splitlines() if (match := HEADING.match(line))
    ]
    assert [name for name, times in Counter(names).items() if times > 1] == []
    assert sorted(names) == sorted(statements())


def test_every_statement_is_used_and_every_used_one_exists():
    assert sorted(set(asked_for())) == sorted(statements())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_begins_with_a_statement(path):
    assert HEADING.match(path.read_text("utf-8").splitlines()[0])


@pytest.mark.parametrize("name", sorted(statements()))
def test_a_statement_says_what_it_is_for_before_it_does_it(name):
    purpose, *rest = statements()[name].splitlines()
    assert re.match(r"-- [A-Z].{10,}", purpose)
    assert any(not line.startswith("--") for line in rest)


@pytest.mark.parametrize("name", sorted(statements()))
def test_a_statement_is_one_statement(name):
    code = re.sub(r"--[^\n]*", "", statements()[name])
    assert ";" not in code


@pytest.mark.parametrize("path", [*FILES, *MIGRATIONS], ids=lambda path: path.stem)
def test_no_file_casts_with_colons_which_the_driver_takes_for_a_parameter(path):
    assert "::" not in path.read_text("utf-8")
