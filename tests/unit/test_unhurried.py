"""Long work gives way; made-up keys drive nobody out."""

from __future__ import annotations

import asyncio
import json
import os
import time
from datetime import UTC, datetime

from functions.adapters.redis.directory import encode, key_of, terms_of
from functions.domain.key import RANDOM_BYTES, WRITE_EVENTS, Grant, digest, new_key
from functions.domain.plan import Terms
from functions.ingest import keys
from functions.web import remembered
from functions.web.unhurried import SLICE_S, unhurried

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_others_are_served_while_a_long_list_is_made():
    def work():
        for number in range(50):
            end = time.perf_counter() + SLICE_S
            while time.perf_counter() < end:
                pass
            yield number

    async def both():
        turns = 0
        long = asyncio.ensure_future(unhurried(work()))
        while not long.done():
            turns += 1
            await asyncio.sleep(0)
        return turns, long.result()

    turns, made = asyncio.run(both())
    assert made == list(range(50))
    assert turns >= 25


class Directory:
    """Redis with one key in its directory; counts what it is asked."""

    def __init__(self, key: str) -> None:
        self._found = {key_of(digest(key)): encode(Grant("tenant", frozenset({WRITE_EVENTS}))).encode()}
        self.asked = 0

    async def execute(self, command: str, *names: str) -> object:
        self.asked += 1
        if command == "MGET":
            return [self._found.get(names[0]), b"1"]
        return Terms().model_dump_json().encode() if names[0] == terms_of("tenant") else None


def test_made_up_keys_cost_nothing_and_drive_out_no_key_that_works(monkeypatch):
    monkeypatch.setattr(remembered, "MOST_UNKNOWN", 5)
    key = new_key(os.urandom(RANDOM_BYTES))
    directory = Directory(key)
    cache = keys.KeyCache(directory, lambda: 0.0, 1)  # type: ignore[arg-type] # all of a pipe that it uses

    async def ask():
        found = await cache.find(key, NOW)
        assert found is not None
        asked = directory.asked
        for text in ("", "x", key[:-1] + "!", json.dumps(key)):
            assert await cache.find(text, NOW) is None
        assert directory.asked == asked, "a checksum that is wrong is no reason to ask"
        for _ in range(20):
            assert await cache.find(new_key(os.urandom(RANDOM_BYTES)), NOW) is None
        assert directory.asked == asked + 20
        assert len(cache._senders._unknown) <= 5, "a flood of unknown keys fills no memory"
        assert await cache.find(key, NOW) is found, "it was never forgotten"

    asyncio.run(ask())
