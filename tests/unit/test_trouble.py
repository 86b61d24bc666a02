"""What PostgreSQL's errors mean, over every class of appendix A of its manual."""

from __future__ import annotations

import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pg8000.exceptions import DatabaseError

from events.errors import Refused, Unavailable
from functions.adapters.postgres.trouble import translated

_OTHERS = "0001020308090A0B0F0L0P0Z102024252627282B2D2F3438393B3D3F4042445355575872F0HVP0XX"
#: Every class of appendix A (PostgreSQL 18), and whether an error of it is about the values of a statement.
CLASSES = {
    **dict.fromkeys(("21", "22", "23", "54"), True),
    **dict.fromkeys(textwrap.wrap(_OTHERS, 2), False),
}


def raised(state: str) -> DatabaseError:
    return DatabaseError({"S": "ERROR", "C": state, "M": "what PostgreSQL says"})


@pytest.mark.parametrize(("known", "about_values"), CLASSES.items(), ids=CLASSES)
def test_an_error_is_an_outage_unless_its_class_is_about_the_values(known: str, about_values: bool) -> None:
    assert isinstance(translated(raised(f"{known}000")), Refused if about_values else Unavailable)


@given(st.text(st.sampled_from("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"), min_size=5, max_size=5))
def test_whatever_the_code_it_is_waited_for_or_counts_against_its_own_event(state: str) -> None:
    meant = translated(raised(state))
    assert isinstance(meant, Refused) == CLASSES.get(state[:2], False)
    assert meant.in_full


@pytest.mark.parametrize("error", [DatabaseError(), DatabaseError("no fields"), DatabaseError({})])
def test_an_error_without_a_code_is_an_outage(error: DatabaseError) -> None:
    assert isinstance(translated(error), Unavailable)


@pytest.mark.parametrize(
    ("state", "anybody", "operator"),
    [
        ("57014", "PostgreSQL took too long", "longer than it may"),
        ("55P03", "PostgreSQL took too long", "a lock"),
        ("40001", "PostgreSQL is unavailable", "what PostgreSQL says (40001)"),
        ("25006", "PostgreSQL is unavailable", "read-only"),
        ("28P01", "PostgreSQL is unavailable", "password"),
        ("28000", "PostgreSQL is unavailable", "pg_hba.conf"),
        ("3D000", "PostgreSQL is unavailable", "no such database"),
        ("53100", "PostgreSQL is unavailable", "disk is full"),
    ],
)
def test_the_operator_reads_why_and_anybody_else_that_it_is_so(state: str, anybody: str, operator: str) -> None:
    meant = translated(raised(state))
    assert str(meant) == anybody
    assert operator in meant.in_full
