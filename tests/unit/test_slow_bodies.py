"""Bodies that come in pieces: the deadline holds also for a piece that comes at the very moment it passes."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any

import pytest

from events.errors import Refused
from functions.web import asgi


def dripping(pieces: int, *, every_s: float = 0.0) -> Any:
    """A receive() of a sender who never finishes, and of a server that forgets that it was told to stop waiting."""
    left = iter(range(pieces))

    async def receive() -> MutableMapping[str, Any]:
        next(left)
        with suppress(asyncio.CancelledError):  # what asyncio.wait_for does when both come at once
            await asyncio.sleep(every_s)
        return {"type": "http.request", "body": b" ", "more_body": True}

    return receive


@pytest.mark.parametrize("every_s", [0.0, 0.01, 0.05])
def test_a_sender_that_drips_is_late_however_it_drips(monkeypatch, every_s):
    monkeypatch.setattr(asgi, "BODY_TIMEOUT_S", 0.1)
    with pytest.raises(Refused) as caught:
        asyncio.run(asgi.Body(dripping(1_000_000, every_s=every_s), {}, 10_000_000).read())
    assert caught.value.status == 408
