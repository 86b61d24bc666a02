"""When functions are woken: by what comes first, and by what comes after a pause."""

from __future__ import annotations

from itertools import accumulate, pairwise

from hypothesis import given
from hypothesis import strategies as st

from events.wake import PAUSE_S, Waker


@given(st.lists(st.floats(0, 3 * PAUSE_S), min_size=1))
def test_all_are_woken_by_the_first_that_comes_and_by_each_after_a_pause(waits_s):
    came_s = list(accumulate(waits_s))
    now_s = iter(came_s)
    asked: list[str] = []
    waker = Waker(["a", "b"], lambda: next(now_s), asked.append)
    woken = []
    for _ in came_s:
        waker.notice()
        woken.append([*asked])
        asked.clear()
    pauses = [True, *(later - earlier > PAUSE_S for earlier, later in pairwise(came_s))]
    assert woken == [["a", "b"] if pause else [] for pause in pauses]
