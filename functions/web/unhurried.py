"""Long work on an event loop, in slices between which the loop serves everybody else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from time import perf_counter
from typing import TypeVar

T = TypeVar("T")

#: Seconds of work between two looks at who else waits. A look takes 3 us.
SLICE_S = 0.0005


async def unhurried(items: Iterable[T], made: list[T] | None = None) -> list[T]:
    """Return what an iterator makes, as a list. Gives way to the event loop after each slice of work.

    Args:
        made: the list to append to, for callers that must know how far it came when the iterator raises.
    """
    made = [] if made is None else made
    slice_ends = perf_counter() + SLICE_S
    for item in items:
        made.append(item)
        if perf_counter() >= slice_ends:
            await asyncio.sleep(0)
            slice_ends = perf_counter() + SLICE_S
    return made
