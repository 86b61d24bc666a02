"""Attributes: the last writer wins, in whichever order events are processed; and what an attribute may be."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.domain import attributes
from functions.domain.attributes import MAX_NUMBER, MOST, Attributes, Register, merged, values, written

SCALARS = st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | st.text(max_size=3)
REGISTERS = st.tuples(SCALARS, st.integers(0, 5), st.sampled_from("abc"))
#: More names than are kept of one account, so that the oldest are left out.
NAMES = [f"n{number}" for number in range(MOST + 5)]
ATTRIBUTES = st.dictionaries(st.sampled_from(NAMES[:4]), REGISTERS) | st.fixed_dictionaries(
    dict.fromkeys(NAMES[:MOST], st.tuples(st.integers(0, 9), st.integers(0, 5), st.sampled_from("abc"))),
    optional=dict.fromkeys(NAMES[MOST:], st.tuples(st.integers(0, 9), st.integers(0, 5), st.sampled_from("abc"))),
)
FAULTS = ("data", "attributes")


def told_apart(found: Attributes) -> dict[str, tuple[str, int, str]]:
    """Attributes with values that Python calls equal told apart: 1, 1.0 and True."""
    return {name: (repr(value), at, event) for name, (value, at, event) in found.items()}


@given(ATTRIBUTES, ATTRIBUTES, ATTRIBUTES)
def test_merging_does_not_depend_on_order_grouping_or_repetition(one, two, three):
    one, two, three = merged(one, {}), merged(two, {}), merged(three, {})
    assert told_apart(merged(one, two)) == told_apart(merged(two, one))
    assert told_apart(merged(merged(one, two), three)) == told_apart(merged(one, merged(two, three)))
    assert told_apart(merged(one, one)) == told_apart(one)
    assert told_apart(merged(merged(one, two), two)) == told_apart(merged(one, two))


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.integers(0, 9)), max_size=200), st.randoms())
def test_what_is_kept_is_what_was_written_last(events, random):
    """Against a naive reading: all that was ever written, sorted by time."""
    said = [(name, value, (value, value, f"{number:03}")) for number, (name, value) in enumerate(events)]
    latest: dict[str, Register] = {}
    for name, _, register in sorted(said, key=lambda each: each[2][1:]):
        latest[name] = register
    kept = sorted(latest, key=lambda name: latest[name][1:])[-MOST:]
    random.shuffle(said)
    found: Attributes = {}
    for name, value, (_, at, event) in said:
        found = merged(found, written({name: value}, at, event))
    assert found == {name: latest[name] for name in kept}


def test_a_removed_attribute_does_not_come_back_with_an_earlier_event():
    removed = merged(written({"owner": "ann"}, 1, "a"), written({"owner": None}, 3, "c"))
    assert values(merged(removed, written({"owner": "bob"}, 2, "b"))) == {}
    assert values(merged(removed, written({"owner": "eve"}, 4, "d"))) == {"owner": "eve"}


def test_texts_that_the_platform_shows_are_tidied_and_others_kept():
    said = {"owner": "  Zoe\u0308 ", "note": " as it is "}
    assert values(written(said, 1, "a")) == {"owner": "Zo\u00eb", "note": " as it is "}


def test_stored_attributes_are_read_as_they_were_written():
    kept = written({"fit": 0.5, "owner": "ann"}, 7, "a")
    assert attributes.from_json({name: list(register) for name, register in kept.items()}) == kept


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"fit": 0, "role": "champion", "owner": "sam", "domain": "acme.example", "name": "Acme", "tier": "1"},
        {"fit": 1, "role": None, "owner": None},
        {"seats": 12, "trial": True, "mrr": 10.5, "note": "", "churned": None, "x-1.y": -MAX_NUMBER},
        {f"n{number}": number for number in range(MOST)},
        {"n" * 64: "x" * 1000, "name": "x" * 256},
    ],
)
def test_attributes_are_taken(said):
    assert list(attributes.faults(said, FAULTS)) == []


@pytest.mark.parametrize(
    ("said", "pointers"),
    [
        ({"fit": 1.01}, ["/data/attributes/fit"]),
        ({"fit": -0.1}, ["/data/attributes/fit"]),
        ({"fit": True}, ["/data/attributes/fit"]),
        ({"fit": "0.5", "role": "boss"}, ["/data/attributes/fit", "/data/attributes/role"]),
        ({"fit": math.nan}, ["/data/attributes/fit"]),
        ({"role": ["user"]}, ["/data/attributes/role"]),
        ({"owner": ""}, ["/data/attributes/owner"]),
        ({"owner": " "}, ["/data/attributes/owner"]),
        ({"owner": 7}, ["/data/attributes/owner"]),
        ({"name": "x" * 257}, ["/data/attributes/name"]),
        ({"domain": "a\nb"}, ["/data/attributes/domain"]),
        ({"a/b": 1}, ["/data/attributes/a~1b"]),
        ({"": 1}, ["/data/attributes/"]),
        ({"1a": 1}, ["/data/attributes/1a"]),
        ({"n" * 65: 1}, ["/data/attributes/" + "n" * 65]),
        ({"note": "x" * 1001}, ["/data/attributes/note"]),
        ({"n": 10**15 + 1}, ["/data/attributes/n"]),
        ({"n": math.inf}, ["/data/attributes/n"]),
        ({"n": [1]}, ["/data/attributes/n"]),
        ({"n": {"a": 1}}, ["/data/attributes/n"]),
        ({f"n{number}": number for number in range(MOST + 1)}, ["/data/attributes"]),
    ],
)
def test_attributes_are_refused_with_where_they_are_wrong(said: dict[str, Any], pointers: list[str]):
    assert [fault.pointer for fault in attributes.faults(said, FAULTS)] == pointers


def test_the_schema_says_what_is_taken():
    """Every name with rules of its own is in the schema, and nothing else is."""
    assert set(attributes.SCHEMA["properties"]) == {"fit", "role", "name", "owner", "domain", "tier"}
