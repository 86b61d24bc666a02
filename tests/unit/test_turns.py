"""Turns: one caller's many requests leave threads to others, and probes wait for nobody."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import pytest

from events.errors import Refused
from functions.web.threaded import ThreadedApp
from functions.web.turns import Turns


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
    turns = Turns(each=each, waiting=waiting)
    return ThreadedApp(function, threads=threads, early=100, most=100, turns=turns, reserved={"/health"})


def test_a_callers_slow_reads_leave_half_of_the_threads_to_others_and_probes_their_own() -> None:
    function = Function()

    async def run() -> list[tuple[int, dict[bytes, bytes]]]:
        app = served(function)
        loud = [asyncio.create_task(ask(app, "/slow", key)) for key in ("a", "b") for _ in range(5)]
        await asyncio.sleep(0)
        health = await asyncio.wait_for(ask(app, "/health", ""), 10)
        assert health[0] == 200
        loud_a = [task for task in loud[:5] if not task.done()]
        assert len(loud_a) == 5
        function.go.set()
        return await asyncio.gather(*loud)

    answers = asyncio.run(run())
    assert {status for status, _ in answers} == {200}
    assert function.most <= 5


def test_another_caller_is_answered_while_one_fills_its_turns() -> None:
    function = Function()

    async def run() -> None:
        app = served(function)
        loud = [asyncio.create_task(ask(app, "/slow", "loud")) for _ in range(5)]
        await asyncio.sleep(0)
        status, _ = await asyncio.wait_for(ask(app, "/quick", "quiet"), 10)
        assert status == 200
        function.go.set()
        await asyncio.gather(*loud)

    asyncio.run(run())


def test_who_has_too_many_requests_under_way_is_told_when_to_come_again() -> None:
    function = Function()

    async def run() -> tuple[int, dict[bytes, bytes]]:
        app = served(function)
        loud = [asyncio.create_task(ask(app, "/slow", "loud")) for _ in range(5)]
        await asyncio.sleep(0)
        refused = await asyncio.wait_for(ask(app, "/slow", "loud"), 10)
        function.go.set()
        await asyncio.gather(*loud)
        assert (await ask(app, "/quick", "loud"))[0] == 200  # its turns are free again
        return refused

    status, headers = asyncio.run(run())
    assert (status, headers[b"retry-after"]) == (429, b"1")


def test_a_turn_ends_however_its_block_does_and_nobody_is_remembered() -> None:
    async def run() -> Turns:
        turns = Turns(each=1, waiting=0)
        for _ in range(3):
            with suppress(ValueError):
                async with turns.taken("a"):
                    with pytest.raises(Refused):
                        async with turns.taken("a"):
                            pass
                    raise ValueError
        return turns

    assert asyncio.run(run())._callers == {}
