"""Which entries go into which request: every one into exactly one, none too large, in order."""

from __future__ import annotations

from itertools import chain, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import requests
from events.entry import Entry
from events.requests import REQUEST_BYTES, SUSPECT

BIG = REQUEST_BYTES // 2 + 1


def entry(id_: int, size: int = 1, handed: int = 1) -> Entry:
    return Entry(str(id_), b"x" * size, handed=handed)


@pytest.mark.parametrize(
    ("sizes", "counts"),
    [
        ([], []),
        ([1, 1, 1], [3]),
        ([REQUEST_BYTES], [1]),
        ([REQUEST_BYTES - 1, 1], [2]),
        ([REQUEST_BYTES, 1], [1, 1]),
        ([1, REQUEST_BYTES], [1, 1]),
        ([REQUEST_BYTES + 1, 1], [1, 1]),
        ([1, REQUEST_BYTES + 1, 1], [1, 1, 1]),
        ([BIG, BIG, 1], [1, 2]),
        ([0, REQUEST_BYTES, 0], [3]),
    ],
)
def test_a_request_is_filled_up_to_its_bytes(sizes, counts):
    plan = requests.plan([entry(number, size) for number, size in enumerate(sizes)])
    assert [len(request) for request in plan.requests] == counts
    assert plan.given_up == []


@pytest.mark.parametrize(
    ("handed", "ids", "given_up"),
    [
        ([1, SUSPECT - 1], [["0", "1"]], []),
        ([1, SUSPECT, 1], [["0", "2"], ["1"]], []),
        ([SUSPECT, SUSPECT], [["0"], ["1"]], []),
        ([SUSPECT + 1, 1], [["1"]], ["0"]),
    ],
)
def test_a_suspect_is_delivered_alone_and_last_and_then_given_up(handed, ids, given_up):
    plan = requests.plan([entry(number, handed=times) for number, times in enumerate(handed)])
    assert [[each.id for each in request] for request in plan.requests] == ids
    assert [each.id for each in plan.given_up] == given_up


SIZES = st.sampled_from([0, 1, 500, REQUEST_BYTES // 3, BIG, REQUEST_BYTES, REQUEST_BYTES + 1])


@given(st.lists(st.tuples(SIZES, st.integers(1, SUSPECT + 2)), max_size=12))
def test_every_entry_is_in_exactly_one_request_or_given_up(drawn):
    entries = [entry(number, size, handed) for number, (size, handed) in enumerate(drawn)]
    waiting, given_up = requests.plan(entries)
    sent = list(chain(*waiting))
    assert sorted(map(int, (each.id for each in [*sent, *given_up]))) == list(range(len(entries)))
    assert all(waiting)
    assert all(requests.size(request) <= REQUEST_BYTES or len(request) == 1 for request in waiting)
    for kind in (lambda each: each.handed < SUSPECT, lambda each: each.handed == SUSPECT):
        assert list(filter(kind, sent)) == list(filter(kind, entries)), "in their order"
    assert all(
        requests.size([*one, other[0]]) > REQUEST_BYTES
        for one, other in pairwise(waiting)
        if one[0].handed < SUSPECT and other[0].handed < SUSPECT
    ), "no request is begun before the one before it is full"


@given(st.integers(2, 50))
def test_halves_of_halves_end_with_each_event_alone(count):
    waiting, alone, splits = [[entry(number) for number in range(count)]], [], 0
    while waiting:
        request = waiting.pop(0)
        if len(request) == 1:
            alone += request
        else:
            waiting[:0] = requests.halves(request)
            splits += 1
    assert [int(each.id) for each in alone] == list(range(count))
    assert splits == count - 1


def test_the_hand_out_of_those_that_failed_counts_though_they_are_returned():
    first, second, third = entry(1), entry(2, handed=2), entry(3)
    assert requests.not_offered([[first], [second, third]], [second]) == [first, second._replace(handed=3), third]
    assert requests.not_offered([[first, second]], ()) == [first, second]
