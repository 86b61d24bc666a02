"""JSON Schemas of tenants: what is refused when one is saved, and what may be checked on the event loop."""

from __future__ import annotations

import time
from typing import Any

import pytest
from pydantic_core import to_json

from events.errors import Refused
from functions.domain import schema

REMOTE = "https://schemas.example/x.json"
TREE: dict[str, Any] = {
    "$defs": {
        "node": {
            "anyOf": [
                {"properties": {"kind": {"const": kind}, "children": {"items": {"$ref": "#/$defs/node"}}}}
                for kind in ("a", "b")
            ]
        }
    },
    "$ref": "#/$defs/node",
}


def nested(depth: int) -> dict[str, Any]:
    return {"properties": {"x": nested(depth - 1)}} if depth else {}


def doubling(levels: int) -> dict[str, Any]:
    defs: dict[str, Any] = {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(levels)}
    return {"$defs": {**defs, f"a{levels}": {"type": "string"}}, "$ref": "#/$defs/a0"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"required": ["contactId"]}, None),
        ({"properties": {"metadata": {"properties": {"sku": {"pattern": "^[A-Z]{3}-[0-9]+$"}}}}}, None),
        ({"properties": {"at": {"format": "date-time"}}}, None),
        (TREE, None),
        (doubling(3), None),
        (doubling(20), "parts once its references are followed"),
        ({"$ref": REMOTE}, "not present in a registry"),
        ({"type": 7}, ""),
        ({"description": "x" * 20_000}, "bytes"),
        (nested(13), "deep"),
        ({"anyOf": [{"required": [str(n)]} for n in range(101)]}, "alternatives"),
        ({"properties": {str(n): {"$ref": "#"} for n in range(51)}}, "references"),
        ({"properties": {str(n): {"pattern": "x"} for n in range(21)}}, "patterns"),
        ({"patternProperties": {str(n): {} for n in range(21)}}, "patterns"),
        ({"pattern": "x" * 201}, "characters in a pattern"),
        ({"enum": list(range(201))}, "values in an enum"),
        ({"pattern": r"(?:\w{1,900}){3}x"}, "regex"),
        ({"pattern": "(?=a)b"}, "regex"),
    ],
)
def test_a_schema_that_could_become_slow_is_refused_when_it_is_saved(given, said):
    if said is None:
        schema.check(given)
        return
    with pytest.raises(Refused) as caught:
        schema.check(given)
    assert {fault.pointer for fault in caught.value.faults} == {"/dataSchema"}
    assert any(said in fault.detail for fault in caught.value.faults)


def test_formats_are_checked():
    given = to_json({"properties": {"at": {"format": "date-time"}, "to": {"format": "email"}}})
    assert [fault.pointer for fault in schema.faults(given, {"at": "yesterday", "to": "nobody"}, 40)] == [
        "/data/at",
        "/data/to",
    ]


@pytest.mark.parametrize(
    ("given", "length", "cheap"),
    [
        ({"required": ["contactId"]}, 10_000, True),
        ({"properties": {"metadata": {"properties": {"sku": {"pattern": "^[A-Z]{3}-[0-9]+$"}}}}}, 500, True),
        ({"properties": {"metadata": {"properties": {"sku": {"pattern": "^[A-Z]{3}-[0-9]+$"}}}}}, 100_000, False),
        (TREE, 10, False),
        ({"$ref": REMOTE}, 10, False),
        (doubling(20), 10, False),
    ],
)
def test_what_is_certainly_cheap_depends_on_the_schema_and_the_length_of_the_data(given, length, cheap):
    assert schema.certainly_cheap(to_json(given), length) is cheap


#: Schemas and data that cost much for their weight.
HEAVY = [
    ({"properties": {"s": {"pattern": r"(?:[a-z]{1,50}){3}x"}}}, lambda length: {"s": "a" * length}),
    ({"properties": {"s": {"pattern": r"(a|aa|b){1,40}(a|b)*c$"}}}, lambda length: {"s": "a" * length}),
    ({"items": {"enum": [{"a": n} for n in range(200)]}}, lambda length: [{"a": 999}] * (length // 9)),
    ({"items": {"allOf": [{"not": {"const": n}} for n in range(49)]}}, lambda length: [7] * (length // 2)),
    ({"uniqueItems": True}, lambda length: [[n] for n in range(length // 6)]),
    ({"items": {"format": "email"}}, lambda length: ["a@b.example"] * (length // 14)),
]


@pytest.mark.parametrize(("given", "data"), HEAVY)
def test_a_check_that_is_certainly_cheap_is_over_in_milliseconds(given, data):
    schema.check(given)
    text = to_json(given)
    length = 1
    while length < 1_000_000 and schema.certainly_cheap(text, length * 2):
        length *= 2
    largest = data(length)
    taken = []
    for _ in range(3):
        started = time.thread_time()
        schema.faults(text, largest, length)
        taken.append(time.thread_time() - started)
    assert min(taken) < 0.02
