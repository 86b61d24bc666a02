"""Turns: one caller's many requests leave threads to others, and probes wait for nobody."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.errors import Refused
from functions.web.threaded import ThreadedApp
from functions.web.turns import Admitted, Caller, Turns


class Function:
    """A WSGI application whose requests to /slow last until they are let go."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.most = self._under_way = 0
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        with self._lock:
            self._under_way += 1
            self.most = max(self.most, self._under_way)
        if environ["PATH_INFO"] == "/slow":
            self.go.wait(30)
        with self._lock:
            self._under_way -= 1
        start_response("200 OK", [])
        return [b""]


class Gate:
    """Knows whose a key is by its first letter."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns

    def admit(self, headers: Mapping[str, str]) -> Admitted:
        key = headers["x-api-key"]
        return Admitted(Caller(key[:1], key), {"x-admitted": key[:1]})


async def ask(app: ThreadedApp, path: str, key: str) -> tuple[int, dict[bytes, bytes]]:
    told: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        told.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b""}
    scope |= {"headers": [(b"x-api-key", key.encode())], "scheme": "http", "http_version": "1.1"}
    await app(scope, receive, send)
    return told[0]["status"], dict(told[0]["headers"])


def served(function: Function, *, threads: int = 4, each: int = 2, waiting: int = 3) -> ThreadedApp:
    gate = Gate(Turns(threads=threads, each=each, waiting=waiting))
    return ThreadedApp(function, threads=threads, early=100, most=100, gate=gate, reserved={"/health"})


def test_a_tenants_slow_reads_leave_half_of_the_threads_to_others_whatever_keys_it_uses() -> None:
    function = Function()

    async def run() -> None:
        app = served(function)
        loud = [asyncio.create_task(ask(app, "/slow", f"loud{number}")) for number in range(5)]
        await asyncio.sleep(0)
        for quiet in ("quiet", "other"):
            status, headers = await asyncio.wait_for(ask(app, "/quick", quiet), 10)
            assert (status, headers[b"x-admitted"]) == (200, quiet[:1].encode())
        assert not any(task.done() for task in loud)
        function.go.set()
        assert {status for status, _ in await asyncio.gather(*loud)} == {200}
        assert function.most <= 3

    asyncio.run(run())


def test_probes_wait_for_nobody_and_nobody_lets_them_in() -> None:
    function = Function()

    async def run() -> None:
        app = served(function)
        loud = [asyncio.create_task(ask(app, "/slow", key)) for key in ("a", "b") for _ in range(5)]
        await asyncio.sleep(0)
        status, headers = await asyncio.wait_for(ask(app, "/health", ""), 10)
        assert (status, b"x-admitted" in headers) == (200, False)
        function.go.set()
        await asyncio.gather(*loud)

    asyncio.run(run())


def test_who_has_too_many_requests_waiting_is_told_when_to_come_again() -> None:
    function = Function()

    async def run() -> tuple[int, dict[bytes, bytes]]:
        app = served(function)
        loud = [asyncio.create_task(ask(app, "/slow", "loud")) for _ in range(5)]
        await asyncio.sleep(0)
        refused = await asyncio.wait_for(ask(app, "/slow", "loud with another key"), 10)
        function.go.set()
        await asyncio.gather(*loud)
        assert (await ask(app, "/quick", "loud"))[0] == 200  # its turns are free again
        return refused

    status, headers = asyncio.run(run())
    assert (status, headers[b"retry-after"]) == (429, b"1")


async def _order(turns: Turns, callers: Iterable[Caller]) -> list[Caller]:
    """In which order requests that come together get their turns."""
    order: list[Caller] = []

    async def work(caller: Caller) -> None:
        async with turns.taken(caller):
            order.append(caller)
            await asyncio.sleep(0)

    await asyncio.gather(*map(work, callers))
    return order


def test_callers_and_the_keys_of_one_caller_come_one_after_the_other() -> None:
    first, second, other = Caller("a", "1"), Caller("a", "2"), Caller("b", "1")
    order = asyncio.run(_order(Turns(threads=1, each=1, waiting=9), [first] * 4 + [second] * 2 + [other] * 2))
    assert order == [first, other, first, other, second, first, second, first]


CALLERS = st.builds(Caller, st.sampled_from("abc"), st.sampled_from("12"))


@given(st.lists(CALLERS, max_size=30), st.integers(1, 4), st.integers(1, 4), st.integers(0, 2**32))
def test_no_caller_has_more_than_its_share_and_every_request_has_its_turn(callers, threads, each, seed):
    chance = random.Random(seed)
    running: Counter[str] = Counter()
    most: Counter[str] = Counter()

    async def work(turns: Turns, caller: Caller) -> None:
        async with turns.taken(caller):
            running[caller.who] += 1
            most[caller.who] = max(most[caller.who], running[caller.who])
            most["all"] = max(most["all"], running.total())
            try:
                for _ in range(chance.randrange(3)):
                    await asyncio.sleep(0)
            finally:
                running[caller.who] -= 1

    async def run() -> Turns:
        turns = Turns(threads=threads, each=each, waiting=len(callers))
        tasks = [asyncio.create_task(work(turns, caller)) for caller in callers]
        cancelled = [task for task in tasks if chance.random() < 0.2]
        await asyncio.sleep(0)
        for task in cancelled:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
        return turns

    turns = asyncio.run(asyncio.wait_for(run(), 10))
    assert (turns._callers, turns._free) == ({}, threads)
    assert all(count <= (threads if who == "all" else each) for who, count in most.items())


def test_a_turn_ends_however_its_block_does_and_nobody_is_remembered() -> None:
    async def run() -> Turns:
        turns = Turns(threads=1, each=1, waiting=1)
        caller = Caller("a", "1")
        for _ in range(3):
            with suppress(ValueError):
                async with turns.taken(caller):
                    waits = asyncio.create_task(_order(turns, [caller]))
                    for _ in range(3):
                        await asyncio.sleep(0)  # until it waits
                    with pytest.raises(Refused):
                        async with turns.taken(caller):
                            pass
                    raise ValueError
            await waits
        return turns

    assert asyncio.run(run())._callers == {}
