"""How much an event becomes: values and nesting, read from the bytes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import size
from events.batch import parse_batch
from events.errors import Refused
from events.size import MOST_DEPTH, MOST_VALUES


def nested(depth: int) -> Any:
    return [nested(depth - 1)] if depth else 0


def event(data: Any) -> bytes:
    return json.dumps({"specversion": "1.0", "id": "1", "source": "/s", "type": "t", "data": data}).encode()


@pytest.mark.parametrize(
    ("data", "pointer"),
    [
        ({"metadata": {"x": list(range(MOST_VALUES - 100))}}, None),
        ({"metadata": {"x": list(range(MOST_VALUES + 1))}}, "/data"),
        ({"metadata": {"x": [[]] * (MOST_VALUES // 2 + 100)}}, "/data"),
        ({"metadata": {"text": "[],{}" * 100_000}}, None),
        ({"metadata": {"text": '"[[[[\\' * 10_000, "x": 1}}, None),
        ({str(number): number for number in range(MOST_VALUES + 1)}, "/data"),
        (nested(MOST_DEPTH), None),
        (nested(MOST_DEPTH + 1), "/data"),
        ([nested(3)] * 100, None),
    ],
)
def test_an_event_is_bounded_in_values_and_depth(data, pointer):
    if pointer is None:
        size.check(event(data))
        return
    with pytest.raises(Refused) as caught:
        size.check(event(data))
    assert (caught.value.status, [fault.pointer for fault in caught.value.faults]) == (422, [pointer])


def test_attributes_count_as_well():
    raw = json.dumps({"specversion": "1.0", **{f"a{number}": number for number in range(MOST_VALUES + 1)}}).encode()
    with pytest.raises(Refused) as caught:
        size.check(raw)
    assert [fault.pointer for fault in caught.value.faults] == [""]


def test_the_body_of_binary_mode_is_the_data():
    size.check(json.dumps(nested(MOST_DEPTH)).encode(), inside="/data")
    with pytest.raises(Refused) as caught:
        size.check(json.dumps({"a": nested(MOST_DEPTH)}).encode(), inside="/data")
    assert [fault.pointer for fault in caught.value.faults] == ["/data/a"]


@pytest.mark.parametrize(
    ("name", "pointer"),
    [(b"a~b/c", "/data/a~0b~1c"), (b"\xff", "/data/\N{REPLACEMENT CHARACTER}"), (b"", "/data")],
)
def test_the_pointer_names_the_member_whatever_it_is_called(name, pointer):
    deep = b"[" * MOST_DEPTH + b"]" * MOST_DEPTH
    with pytest.raises(Refused) as caught:
        size.check(b'{"' + name + b'":' + deep + b"}", inside="/data")
    assert [fault.pointer for fault in caught.value.faults] == [pointer]


@pytest.mark.parametrize(("values", "fits"), [(MOST_VALUES, True), (MOST_VALUES + 1, False)])
@pytest.mark.parametrize("text", ['""', '",,,"'])
def test_as_many_values_as_are_allowed_fit(values, fits, text):
    raw = f"[{text}{',0' * (values - 1)}]".encode()
    if fits:
        size.check(raw, inside="/data")
    else:
        with pytest.raises(Refused):
            size.check(raw, inside="/data")


def test_too_many_members_are_the_objects_fault_and_not_that_of_its_last_list():
    many = {"list": [1], **{str(number): number for number in range(MOST_VALUES)}}
    with pytest.raises(Refused) as caught:
        size.check(json.dumps(many).encode(), inside="/data")
    assert [fault.pointer for fault in caught.value.faults] == ["/data"]


@pytest.mark.parametrize(("depth", "refused"), [(1_000, True), (1_001, False)])
def test_nesting_that_no_parser_takes_is_left_to_the_parser(depth, refused):
    raw = b"[" * depth + b"]" * depth
    if refused:
        with pytest.raises(Refused):
            size.check(raw, inside="/data")
    else:
        size.check(raw, inside="/data")


def test_in_a_batch_it_is_the_event_that_is_refused():
    small, large = event({}), event(list(range(20_000)))
    items = parse_batch(b"[" + small + b"," + large + b"]", limit=10)
    assert [isinstance(item, Refused) for item in items] == [False, True]


def counted(value: Any) -> tuple[int, int]:
    """Values without members' names, and how deep."""
    items = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    below = [counted(item) for item in items]
    depth = max((each[1] for each in below), default=0) + isinstance(value, dict | list)
    return 1 + sum(each[0] for each in below), depth


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=40,
)


@given(JSON, st.integers(0, 30), st.integers(0, 8))
def test_more_values_than_are_allowed_are_never_let_in(value, most_values, most_depth):
    raw = json.dumps(value).encode()
    faults = list(size._faults(raw, most_depth))
    values, depth = counted(value)
    assert bool([f for f in faults if "deep" in f.detail]) is (depth > most_depth)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(size, "MOST_VALUES", most_values)
        refused = any("values" in fault.detail for fault in size._faults(raw, 1_000))
    assert refused or values <= most_values + 1


@given(st.binary(max_size=300))
def test_no_bytes_break_the_count(raw):
    list(size._faults(raw, 3))


def test_bytes_that_never_close_a_text_take_no_time():
    list(size._faults(b'"' + b'\\"' * 1_000_000, 3))
