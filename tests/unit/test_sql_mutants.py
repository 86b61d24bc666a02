"""What `make mutants-sql` breaks: each condition of a statement by itself, and nothing that is no code."""

from __future__ import annotations

import pytest

from functions.adapters.postgres.statements import statements
from tests.mutants.__main__ import SQL, TESTS
from tests.mutants.sql import mutants
from tests.servers.parts import ROOT

TEXT = """-- newest --
-- What is = here AND there.
SELECT DISTINCT ON (id) id, data ->> 'a = b' FROM rules
WHERE since <= :since AND gone IS NULL AND id <> :id ORDER BY id, version DESC;

-- sum --
UPDATE usage SET events = events + :more;
"""


def test_each_condition_is_turned_round_by_itself():
    assert [(each.statement, each.line, each.what.partition(" in ")[0]) for each in mutants(TEXT)] == [
        ("newest", 4, "<= -> <"),
        ("newest", 4, "AND -> OR"),
        ("newest", 4, "IS NULL -> IS NOT NULL"),
        ("newest", 4, "AND -> OR"),
        ("newest", 4, "<> -> ="),
        ("newest", 4, "DESC -> nothing"),
        ("sum", 7, "= -> <>"),
        ("sum", 7, "+ -> -"),
    ]


def test_a_mutant_is_the_file_with_one_change():
    oldest = [each for each in mutants(TEXT) if each.what.startswith("DESC")]
    assert [each.text for each in oldest] == [TEXT.replace("version DESC", "version")]


@pytest.mark.parametrize("file", TESTS)
def test_every_file_that_is_broken_has_statements_and_tests(file):
    found = list(mutants((ROOT / SQL / file).read_text("utf-8")))
    assert found
    assert {each.statement for each in found} <= statements().keys()
    assert [path for path in TESTS[file] if not (ROOT / path).is_file()] == []
