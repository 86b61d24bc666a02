"""The sandbox: what takes too much is ended, and nobody else waits for it."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic_core import to_json

from events.cloudevent import Message, parse
from events.errors import Refused
from functions.adapters.sandbox import Sandbox
from functions.domain.plan import OwnEventType, Terms
from functions.ingest.schemas import UNCHECKED, Schemas
from tests.unit.test_schema import TREE

TYPE = "com.acme.tree"


def tree(levels: int) -> dict[str, Any]:
    node: dict[str, Any] = {"kind": "x"}
    for _ in range(levels):
        node = {"kind": "b", "children": [node]}
    return node


#: Every level of data is checked twice in each way there is: exponential.
SLOW = {**TREE, "$defs": {"node": {"anyOf": TREE["$defs"]["node"]["anyOf"] * 2 + [False]}}, "not": {"const": 1}}
WITHIN = {"properties": {"metadata": {"properties": {"tree": {"$ref": "#/$defs/node"}}}}, "$defs": SLOW["$defs"]}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    made = Sandbox()
    yield made
    made.close()


def test_a_check_in_the_sandbox_says_what_is_wrong(sandbox: Sandbox) -> None:
    given = to_json({"required": ["contactId"], "properties": {"n": {"type": "integer"}}})
    assert [fault.pointer for fault in sandbox.faults(given, b'{"n":"x"}') or []] == ["/data", "/data/n"]
    assert sandbox.faults(given, b'{"n":1,"contactId":"jo"}') == []


@pytest.mark.alone
def test_a_check_without_an_end_is_ended_and_the_next_one_is_answered(sandbox: Sandbox) -> None:
    slow, quick = to_json(SLOW), to_json({"required": ["a"]})
    assert sandbox.faults(quick, b'{"a":1}') == []
    started = time.monotonic()
    assert sandbox.faults(slow, to_json(tree(17))) is None
    assert time.monotonic() - started < 5
    assert sandbox.faults(quick, b'{"a":1}') == []


def test_a_schema_that_cannot_be_used_has_no_answer(sandbox: Sandbox) -> None:
    assert sandbox.faults(to_json({"$ref": "https://schemas.example/x.json"}), b"{}") is None
    assert sandbox.faults(to_json({"type": 7}), b"{}") is None
    assert sandbox.faults(b"{}", b"{}") == []


def test_a_child_that_has_died_is_started_again(sandbox: Sandbox) -> None:
    assert sandbox.faults(b"{}", b"{}") == []
    child = sandbox._child
    assert child is not None
    os.kill(child.pid, 9)
    child.wait()
    assert sandbox.faults(b"{}", b"{}") == []


def message(data: object) -> Message:
    event = {"specversion": "1.0", "id": "1", "source": "/s", "type": TYPE, "data": data}
    return parse(json.dumps(event).encode())


@pytest.mark.alone
def test_events_that_take_too_long_are_refused_and_the_event_loop_goes_on(sandbox: Sandbox) -> None:
    own = OwnEventType(type=TYPE, signal="x", score=0, points=1, halfLifeDays=1, dataSchema=WITHIN)
    terms = Terms(types={TYPE: own})
    good, slow = message({"metadata": {"tree": {"kind": "a"}}}), message({"metadata": {"tree": tree(17)}})
    longest = 0.0

    async def ticking() -> None:
        nonlocal longest
        while True:
            started = time.monotonic()
            await asyncio.sleep(0.005)
            longest = max(longest, time.monotonic() - started)

    async def run() -> list[Message | Refused]:
        ticks = asyncio.create_task(ticking())
        checked = await Schemas(sandbox, time.monotonic).checked([good, *[slow] * 30, good], terms)
        ticks.cancel()
        return checked

    started = time.monotonic()
    checked = asyncio.run(run())
    assert checked[0] is good
    assert checked[1:31] == [UNCHECKED] * 30
    assert time.monotonic() - started < 10  # one request has a second, however many events it brings
    assert longest < 1
