"""The short form of the fault suite: every fault of the table once, several to a run, drawn and ordered by a seed.

``FAULTS_SEED`` runs the same again. ``make faults`` is the long form, a run for each.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack

import pytest

from events.failpoint import PLACES
from tests.faults import stage
from tests.faults.faults import FAULTS
from tests.faults.run import HEADING, Fault, Scene, perform
from tests.faults.stage import Stage

EVENTS = 2_000
SEED = int(os.environ.get("FAULTS_SEED") or random.randrange(1 << 32))

BY_NAME = {fault.name: fault for fault in FAULTS}
#: Those that belong together; what is in no run of its own is in the last one of its stage.
RUNS = {
    "kills": [f"killed at {place}" for place in sorted(PLACES)] + ["any part killed"],
    "stores killed": ["all killed at once", "redis killed always", "redis killed everysec", "full memory"],
    "redis empty": ["redis empty"],
    "full disk": ["full disk always", "full disk everysec"],
    "postgres": ["postgres down", "postgres out of connections", "postgres lock held", "postgres read-only"],
    "senders": ["duplicate storm", "poison"],
    "zombies": ["zombie dispatcher", "zombie process", "clock jumps"],
    "consumers": ["two dispatchers", "two dispatchers of one name", "dispatcher scaled 0-1-0", "process scaled 0-1-0"],
    "backends": ["postgres slow", "postgres hangs", "search down", "search slow", "search hangs"],
    "network": ["search partial errors", "1 % resets, 40 ms"],
}

StageOf = Callable[[bool], Stage]


@pytest.fixture(scope="module")
def stage_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StageOf]:
    """The stage with or without proxies; the one that is not asked for is taken down."""
    with ExitStack() as stack:
        standing: dict[bool, Stage] = {}

        def of(wired: bool) -> Stage:
            if wired not in standing:
                stack.close()
                standing.clear()
                standing[wired] = stack.enter_context(stage.running(tmp_path_factory.mktemp("f"), wired=wired))
            return standing[wired]

        yield of


def drawn(names: Sequence[str], chance: random.Random) -> list[Fault]:
    """The faults in any order; of the places where a part is killed, one a part."""
    shuffled = chance.sample(list(names), len(names))
    one_each = {name.partition(".")[0]: name for name in shuffled}
    return [BY_NAME[name] for name in one_each.values()]


def together(run: str, faults: Sequence[Fault]) -> Fault:
    """One fault after the other, under one load."""

    def act(scene: Scene) -> None:
        for fault in faults:
            scene.more()
            fault.act(scene)

    return Fault(run, act, faults[0].wired, any(fault.mails_again for fault in faults))


@pytest.mark.slow
@pytest.mark.parametrize("run", RUNS)
def test_no_accepted_event_is_lost_or_doubled(run: str, stage_of: StageOf) -> None:
    faults = drawn(RUNS[run], random.Random(f"{SEED}{run}"))
    print(f"FAULTS_SEED={SEED}: {', '.join(fault.name for fault in faults)}\n{HEADING}")
    standing = stage_of(faults[0].wired)
    if run == "full disk" and standing.disk is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no disk can be mounted here")
        pytest.skip("no disk can be mounted here")
    outcome = perform(standing, together(run, faults), events=EVENTS, seed=SEED, long=False)
    print(outcome)
    assert outcome.audit.accepted >= EVENTS // 2
    assert outcome.audit.clean, outcome.audit.wrong


def test_every_fault_of_the_table_is_in_a_run() -> None:
    assert sorted(name for names in RUNS.values() for name in names) == sorted(BY_NAME)
    assert all(len({BY_NAME[name].wired for name in names}) == 1 for names in RUNS.values())
