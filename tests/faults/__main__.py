"""``python -m tests.faults``: every fault under load, a line each; exit code 1 when anything is lost or doubled."""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from functions.local.parts import ROOT
from tests.faults import stage
from tests.faults.faults import FAULTS
from tests.faults.ledger import Audit
from tests.faults.run import HEADING, Fault, Outcome, perform

#: What the promise is made over.
ACCEPTED = 1_000_000


def main() -> None:
    """Run the faults asked for."""
    parser = argparse.ArgumentParser(prog="make faults")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--events", type=int, default=ACCEPTED // len(FAULTS) + 1000, help="accepted in each fault")
    parser.add_argument("--only", default="", help="names of faults, or the beginnings of them, comma separated")
    parser.add_argument("--short", action="store_true", help="outages as short as in the tests")
    told = parser.parse_args()
    wanted = tuple(name.strip() for name in told.only.split(",")) if told.only else ("",)
    faults = [fault for fault in FAULTS if fault.name.startswith(wanted)]
    print(f"seed {told.seed}, {told.events} events a fault\n{HEADING}", flush=True)
    outcomes = []
    for outcome in _outcomes(faults, told):
        outcomes.append(outcome)
        print(outcome, flush=True)
    accepted = sum(outcome.audit.accepted for outcome in outcomes)
    lost, doubled = (sum(getattr(outcome.audit, name) for outcome in outcomes) for name in ("lost", "doubled"))
    print(f"{len(outcomes)} faults: {accepted} accepted, {lost} lost, {doubled} doubled")
    sys.exit(not outcomes or not all(outcome.audit.clean for outcome in outcomes))


def _outcomes(faults: list[Fault], told: argparse.Namespace) -> Iterator[Outcome]:
    """Those of one stage after the other; after one that failed, the stage is made anew."""
    for wired in (False, True):
        left = [fault for fault in faults if fault.wired == wired]
        while left:
            # Not in /tmp, which may be memory; short, as sockets live there.
            (ROOT / ".cache").mkdir(exist_ok=True)
            folder = Path(tempfile.mkdtemp(dir=ROOT / ".cache", prefix="faults-"))
            with ExitStack() as stack:
                standing = stack.enter_context(stage.running(folder, wired=wired))
                clean = True
                while left and clean:
                    outcome = _perform(standing, left.pop(0), told)
                    clean = outcome.audit.clean
                    yield outcome
            if clean:
                shutil.rmtree(folder)
            else:
                print(f"    the logs are in {folder}", flush=True)


def _perform(standing: stage.Stage, fault: Fault, told: argparse.Namespace) -> Outcome:
    """Perform, and make a line also of a run that came to no end."""
    if fault.name.startswith("full disk") and standing.disk is None:
        return Outcome(fault.name, Audit(wrong=["no disk can be mounted here"]), 0.0, 0.0)
    seed = told.seed + FAULTS.index(fault)
    try:
        return perform(standing, fault, events=told.events, seed=seed, long=not told.short)
    except AssertionError as exc:
        return Outcome(fault.name, Audit(wrong=[f"failed: {exc}"]), 0.0, 0.0)


if __name__ == "__main__":
    main()
