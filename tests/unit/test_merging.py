"""Merges of accounts: a tree whose root counts for all of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.errors import Refused
from functions.domain import merging
from functions.domain.merging import MOST_ALIASES, Move

#: Merges and undone merges of a few accounts: into, other, whether it is a merge.
STEPS = st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from("abcde"), st.booleans()), max_size=20)


@given(STEPS)
def test_whatever_is_merged_and_undone_every_account_has_one_root_and_every_move_its_family(asked):
    steps: dict[str, str | None] = dict.fromkeys("abcde")
    for into, other, joins in asked:
        if into == other:
            continue
        before = {name: merging.root(steps, name) for name in steps}
        try:
            move = merging.merge(steps, into, other) if joins else merging.unmerge(steps, into, other)
        except Refused:
            continue
        if move is None:
            assert before[into] == before[other]
            continue
        steps[other] = move.into if joins else None
        after = {name: merging.root(steps, name) for name in steps}
        assert {name for name in steps if before[name] != after[name]} == move.family
        assert {before[name] for name in move.family} == {move.account}
        assert {after[name] for name in move.family} == {move.into}


def test_what_is_undone_takes_along_what_was_merged_into_it():
    steps = {"a": None, "b": "a", "c": "b"}
    assert merging.unmerge(steps, "a", "b") == Move("a", "b", frozenset("bc"), joins=False)
    assert merging.unmerge(steps, "a", "c") == Move("a", "c", frozenset("c"), joins=False)


@pytest.mark.parametrize(
    ("into", "other", "joins"),
    [("d", "b", True), ("a", "d", False), ("d", "b", False), ("b", "a", False)],
)
def test_what_cannot_be_is_refused(into, other, joins):
    steps = {"a": None, "b": "a", "c": "b", "d": None}
    with pytest.raises(Refused) as caught:
        (merging.merge if joins else merging.unmerge)(steps, into, other)
    assert [fault.pointer for fault in caught.value.faults] == ["/data/from"]


def test_an_account_counts_for_a_hundred_names_at_most():
    steps = {"b": None, **{f"a{number}": "a" for number in range(MOST_ALIASES - 2)}, "a": None}
    assert merging.merge(steps, "a", "b") is not None
    steps["more"] = "a"
    with pytest.raises(Refused):
        merging.merge(steps, "a", "b")
