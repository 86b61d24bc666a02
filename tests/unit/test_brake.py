"""A 429 is held back, so that who asks again at once asks seldom; but only so many of them."""

from __future__ import annotations

import asyncio

import pytest

from functions.web import asgi
from functions.web.asgi import MOST_HELD, UNHELD_PER_S, Brake


@pytest.mark.parametrize(("status", "held"), [(429, MOST_HELD), (202, 0), (400, 0), (503, 0)])
def test_of_many_429s_a_second_the_first_do_not_wait_nor_do_the_last(monkeypatch, status, held):
    monkeypatch.setattr(asgi, "HOLD_S", 3600)

    async def waiting() -> int:
        brake = Brake(lambda: 7.5)
        answers = [asyncio.create_task(brake.hold(status)) for _ in range(UNHELD_PER_S + MOST_HELD + 8)]
        await asyncio.sleep(0)
        waits = sum(not answer.done() for answer in answers)
        for answer in answers:
            answer.cancel()
        return waits

    assert asyncio.run(waiting()) == held
