"""One run: a load, a fault in the middle of it, and the books afterwards."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from tests.faults.ledger import Audit, Identity, Ledger, audit
from tests.faults.load import Load
from tests.faults.stage import Stage
from tests.servers.parts import until

#: How long everything may take to come to rest after a fault, beside what the events themselves take.
REST_S = 120.0
#: Events a second that are processed at the least, for deadlines.
SLOWEST = 200


@dataclass
class Scene:
    """What a fault works with.

    Args:
        events: how many the run is made of, about.
        chance: everything that is drawn.
        long: the form of `make faults`, whose outages last as long as they are said to.
        poison: how many entries the fault put into each channel that must end as dead letters.
        excused: spans of the monotonic clock; what was acknowledged in them may be missing.
        gone: events that may be missing, because the fault took the only store that had them.
    """

    stage: Stage
    load: Load
    events: int
    chance: random.Random
    long: bool
    poison: dict[str, int] = field(default_factory=dict)
    excused: list[tuple[float, float]] = field(default_factory=list)
    gone: set[Identity] = field(default_factory=set)

    def seconds(self, long: float, short: float) -> float:
        """How long something lasts, in this form."""
        return long if self.long else short

    def for_seconds(self, long: float, short: float) -> None:
        """Let a fault last. The load goes on meanwhile."""
        until_s = time.monotonic() + self.seconds(long, short)
        until(lambda: time.monotonic() > until_s, within_s=1000, what="the time is over")

    def more(self, share: float = 0.1) -> None:
        """Let this share of the run's events go."""
        self.load.more(int(self.events * share))

    def exempt(self, identity: Identity) -> bool:
        """Whether an acknowledged event may be missing."""
        at = self.load.ledger.acknowledged[identity]
        return identity in self.gone or any(first <= at <= last for first, last in self.excused)

    def flowing(self) -> None:
        """Let some events go and wait until some are processed."""
        before = self.stage.processed()
        self.more()
        until(lambda: self.stage.processed() > before, within_s=60, what="events are processed")


@dataclass(frozen=True)
class Fault:
    """A fault of the table.

    Args:
        name: for the table and ``--only``.
        act: breaks something and mends it again.
        wired: it needs proxies between the parts.
        mails_again: it may come between the mail server's yes and our commit, after which a mail is sent again under
            the same Message-ID.
    """

    name: str
    act: Callable[[Scene], None]
    wired: bool = False
    mails_again: bool = False


@dataclass
class Outcome:
    """One line of the table."""

    fault: str
    audit: Audit
    recovery_s: float
    seconds: float

    def __str__(self) -> str:
        found = self.audit
        line = f"{self.fault:<34}{found.accepted:>9}{found.lost:>6}{found.doubled:>9}{self.recovery_s:>12.1f}"
        line += f"{self.seconds:>9.0f}"
        notes = [f"{found.exempt} gone, as they may"] * bool(found.exempt)
        notes += [f"{found.mails_again} mails again under their Message-ID"] * bool(found.mails_again)
        return "  ".join([line, *notes, *found.wrong])


HEADING = f"{'fault':<34}{'accepted':>9}{'lost':>6}{'doubled':>9}{'recovery_s':>12}{'seconds':>9}"


def perform(stage: Stage, fault: Fault, *, events: int, seed: int, long: bool) -> Outcome:
    """Put one fault on the stage, and count.

    Raises:
        AssertionError: it did not come to rest.
    """
    began = time.monotonic()
    run = f"{fault.name.replace(' ', '-')}-{seed}"
    keys = stage.tenants([f"{run}-{letter}" for letter in "abc"])
    ledger = Ledger()
    with _load(Load(stage.ingest_url, keys, ledger, seed)) as load:
        scene = Scene(stage, load, events, random.Random(seed), long)
        load.start()
        scene.more(0.2)
        scene.flowing()
        scene.more(0.5)
        fault.act(scene)
        recovery_s = _recovered(stage, load)
        scene.more(0.2)
        load.finish()
    _come_to_rest(stage, ledger, REST_S + len(ledger.acknowledged) / SLOWEST)
    found = audit(
        ledger,
        stage.database_url,
        stage.documents,
        stage.mails(),
        tenants=list(keys),
        exempt=scene.exempt,
    )
    found.wrong += stage.rest() + _buried(stage, scene)
    if not fault.mails_again:
        found.add_doubled("mails", found.mails_again)
    stage.clear()
    return Outcome(fault.name, found, recovery_s, time.monotonic() - began)


@contextmanager
def _load(load: Load) -> Iterator[Load]:
    try:
        yield load
    finally:
        load.close()


def _come_to_rest(stage: Stage, ledger: Ledger, within_s: float) -> None:
    """Wait until nothing is left to be done."""
    try:
        until(lambda: _standing(stage, ledger) and stage.drained(), within_s=within_s, what="every channel is empty")
    except AssertionError as exc:
        ledger.complain(str(exc))


def _recovered(stage: Stage, load: Load) -> float:
    """Seconds until an event that is sent now has gone all the way, behind all that waits."""
    over = time.monotonic()
    tenant, id_ = load.canary()
    there = partial(stage.indexed, tenant, id_)
    until(lambda: _standing(stage, load.ledger) and there(), within_s=REST_S, what="an event goes all the way again")
    return time.monotonic() - over


def _standing(stage: Stage, ledger: Ledger) -> bool:
    """Start every part again that has ended by itself, which none may, and tell of it."""
    for ended in stage.start_ended():
        ledger.complain(ended)
    return True


def _buried(stage: Stage, scene: Scene) -> list[str]:
    """Dead letters other than the poison, or poison that is none."""
    letters = stage.dead_letters()
    wrong = []
    for name in letters.keys() | scene.poison.keys():
        found, due = letters.get(name, []), scene.poison.get(name, 0)
        if len(found) != due:
            reasons = sorted(
                {(each[b"status"] + b" " + each[b"reason"])[:120].decode("utf-8", "replace") for each in found}
            )
            wrong.append(f"{len(found)} dead letters of {name} where {due} were due: {reasons[:3]}")
    return wrong
