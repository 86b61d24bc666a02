"""The loop that carries a channel to its function: read, deliver, settle."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from events import cloudevent, metrics, requests
from events.breaker import HOLD_FIRST_S, HOLD_MAX_S, Breaker
from events.channel import Channel
from events.deadletter_breaker import DeadLetterBreaker
from events.delivery import Delivered
from events.entry import Bury, Done, Entry, Outcome, Park
from events.errors import Unavailable
from events.failpoint import reach
from events.log import Log
from events.outcome import DROPPED, OutcomePolicy
from events.retry import NO_ANSWER, Verdict
from events.subscription import Subscription

log = Log("dispatcher")

#: Milliseconds that one read waits for something to do; also how long a stop may take to be noticed.
BLOCK_MS = 500
#: Seconds between two looks for abandoned entries and due retries.
SWEEP_S = 1.0
#: Seconds that an open dead-letter breaker waits before it looks whether the function has been mended.
WITHHELD_S = 30.0

#: The verdict on an entry that was delivered alone and got none.
_NEVER_ANSWERED = Verdict(NO_ANSWER, f"handed out {requests.SUSPECT} times, and no dispatcher that took it came back")


class Deliver(Protocol):
    """What the dispatcher needs of its target; see :class:`events.delivery.Target`."""

    timeout_s: float

    def deliver(self, events: Sequence[bytes]) -> list[Delivered] | Verdict:
        """POST a batch; see :meth:`events.delivery.Target.deliver`."""


@dataclass(slots=True, kw_only=True)
class Dispatcher:
    """One consumer of one lane. ``concurrency`` threads :meth:`run` it: each carries a batch at a time.

    Args:
        channel: the lane it reads and settles.
        target: the function it delivers to.
        breaker: whether the target may be called; all lanes that deliver to it share one.
        dead_letter_breaker: whether events may be dead-lettered; all lanes of the channel share one.
        subscription: linger and retry policy.
        batch: the most events a request carries.
        concurrency: how many threads run it: the most requests in flight.
        claim_idle_ms: how long another consumer's entry must have been idle to be claimed; more than a delivery
            takes.
        destination: the target's URL, for dead letters.
        now_ms: the wall clock in Unix ms.
        now_s: a clock that only goes forward, in seconds.
        rand: returns numbers in [0, 1).
        watch: publishes how many dead letters wait; called with every sweep.
    """

    channel: Channel
    target: Deliver
    breaker: Breaker
    dead_letter_breaker: DeadLetterBreaker
    subscription: Subscription
    batch: int
    concurrency: int
    claim_idle_ms: int
    destination: str
    now_ms: Callable[[], int]
    now_s: Callable[[], float]
    rand: Callable[[], float]
    watch: Callable[[], None] = lambda: None
    _reading: threading.Lock = field(default_factory=threading.Lock)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _sweep_due_s: float = 0.0
    _in_flight: int = 0
    _probe_new: bool = False
    _narrowed: int = 0

    def run(self, stopping: threading.Event) -> None:
        """Carry events until ``stopping`` is set. A request in flight is finished and settled first."""
        hold_s = 0.0
        while not stopping.wait(hold_s):
            try:
                if self.channel.ensure():
                    log.error("group_set_back", channel=self.channel.name, lane=self.channel.lane)
                while not stopping.is_set():
                    self.run_once(stopping)
                    hold_s = 0.0
                return
            except Unavailable as exc:
                hold_s = min(HOLD_MAX_S, hold_s * 2 or 0.25)
                log.often("waiting", channel=self.channel.name, backend=exc.what, hold_s=hold_s)

    def run_once(self, stopping: threading.Event) -> int:
        """Carry one batch, if there is one; return how many entries were settled."""
        size = self.breaker.allows(min(self.batch, self._narrowed or self.batch))
        if not size:
            stopping.wait(self.breaker.wait_s())
            return 0
        try:
            entries = self._take(size, stopping)
            settled = self._carry(entries, stopping) if entries else 0
        finally:
            unused = self.breaker.release_probe()
        if unused:
            stopping.wait(HOLD_FIRST_S)  # a lane that has an event to probe with must get its turn
        return settled

    def _take(self, size: int, stopping: threading.Event) -> list[Entry]:
        """Take the next entries: due retries first, then abandoned entries, then new ones.

        A probe takes either kind in turn, so that events that fail do not keep new ones from being tried.
        """
        if self.breaker.probing():
            self._probe_new = not self._probe_new
            if self._probe_new and (new := self.channel.read(size, 0)):
                return new
            return self._sweep(size) or self.channel.read(size, 0)
        return self._sweep(size) or self._read(size, stopping)

    def _read(self, size: int, stopping: threading.Event) -> list[Entry]:
        """Block for new entries. Only one thread reads at a time, so that a burst becomes one batch.

        If this batch would use the last free request slot and is small, linger for ``linger_s`` so that it can fill.
        """
        with self._reading:
            if stopping.is_set():
                return []
            entries = self.channel.read(size, BLOCK_MS)
            few = len(entries) < size and requests.size(entries) < requests.REQUEST_BYTES // 2
            if entries and few and 0 < self._in_flight == self.concurrency - 1:
                stopping.wait(self.subscription.linger_s)
                entries += self.channel.read(size - len(entries), 0)
            return entries

    def _sweep(self, size: int) -> list[Entry]:
        """Look for due retries and abandoned entries: every ``SWEEP_S``, or at once after a look that found some."""
        with self._lock:
            if self.now_s() < self._sweep_due_s:
                return []
            self._sweep_due_s = self.now_s() + SWEEP_S
        labels = (self.channel.name, self.channel.lane or "fast", str(self.channel.partition))
        metrics.DEPTH.labels(*labels).set(self.channel.depth())
        metrics.PARKED.labels(*labels).set(self.channel.parked())
        self.watch()
        found = self.channel.lease(size, self.claim_idle_ms)
        if not found.entries:
            found = self.channel.claim(size, self.claim_idle_ms)
        if found.vanished:
            metrics.VANISHED.labels(self.channel.name).inc(found.vanished)
            log.error("entries_vanished", channel=self.channel.name, count=found.vanished)
        if found.entries:
            self._sweep_due_s = 0.0  # there may be more
        return found.entries

    def _carry(self, entries: Sequence[Entry], stopping: threading.Event) -> int:
        """Deliver, settle the entries that got a verdict, and return the others to the channel."""
        reach("dispatcher.read")
        with self._flying(), metrics.BATCH_SECONDS.labels(self.channel.name).time():
            delivered, rest = self._deliver(entries, stopping)
            reach("dispatcher.delivered")
            outcomes = self._outcomes(delivered)
            withheld = self._withheld(outcomes)
            if withheld:
                outcomes = [(entry, outcome) for entry, outcome in outcomes if not isinstance(outcome, Bury)]
            settled = self.channel.settle(outcomes) if outcomes else 0
            reach("dispatcher.settled")
            if rest or withheld:
                self.channel.nack([*rest, *withheld], self.claim_idle_ms)
                self._sweep_due_s = 0.0
            self._account(outcomes)
            return settled

    @contextmanager
    def _flying(self) -> Iterator[None]:
        with self._lock:
            self._in_flight += 1
        try:
            yield
        finally:
            with self._lock:
                self._in_flight -= 1

    def _deliver(
        self, entries: Sequence[Entry], stopping: threading.Event
    ) -> tuple[list[tuple[Entry, Delivered]], list[Entry]]:
        """Deliver a batch, split while it fails without verdicts, so that a poison event ends up alone.

        A request begins only while its timeout still ends well before another consumer may claim the entries: a
        function that hangs uses all of its timeout. The next batches are smaller then, until the event that hangs is
        alone.

        Returns:
            The result of each delivered entry, and the entries that were not offered because the target was away or
            a stop was asked for. They keep their attempts.
        """
        waiting, given_up = requests.plan(entries)
        delivered = [(entry, Delivered(_NEVER_ANSWERED)) for entry in given_up]
        # Half of the time that a timeout leaves is for more requests, the other half for settling.
        over_s = self.now_s() + (self.claim_idle_ms / 1000 - self.target.timeout_s) / 2
        failed: Sequence[Entry] = ()
        while waiting:
            batch = waiting.pop(0)
            try:
                answer = self.target.deliver([entry.event for entry in batch])
            except Unavailable as exc:
                self._away(exc)
                return delivered, requests.not_offered([batch, *waiting], failed)
            metrics.TARGET_UP.labels(self.channel.name).set(1)
            self.breaker.closed()
            if not isinstance(answer, Verdict):
                delivered += zip(batch, answer, strict=True)
                self._narrowed = self._narrowed * 2 if self._narrowed < self.batch else 0
            elif len(batch) == 1:
                delivered.append((batch[0], Delivered(answer)))
            else:
                log.warning("batch_split", channel=self.channel.name, size=len(batch), status=answer.status)
                failed = batch
                waiting[:0] = requests.halves(batch)
                if self.now_s() > over_s:
                    self._narrowed = len(batch) // 2
            if stopping.is_set() or self.now_s() > over_s:
                break
        return delivered, requests.not_offered(waiting, ())

    def _away(self, exc: Unavailable) -> None:
        """Open the breaker: briefly after a first failure, for as long as the target asks after a failed probe."""
        metrics.TARGET_UP.labels(self.channel.name).set(0)
        hold_s = self.breaker.opened(exc.retry_after_s if self.breaker.probing() else 0.0)
        log.often("target_away", channel=self.channel.name, target=exc.what, hold_s=hold_s)

    def _outcomes(self, delivered: Sequence[tuple[Entry, Delivered]]) -> list[tuple[Entry, Outcome]]:
        """Decide what becomes of each entry."""
        policy, now_ms = OutcomePolicy(self.subscription, self.destination), self.now_ms()
        outcomes = [(entry, policy.outcome(entry, what, now_ms, self.rand)) for entry, what in delivered]
        for (entry, outcome), (_, what) in zip(outcomes, delivered, strict=True):
            if outcome is DROPPED:
                log.error("entry_dropped", channel=self.channel.name, entry=entry.id, status=what.verdict.status)
        return outcomes

    def _withheld(self, outcomes: Sequence[tuple[Entry, Outcome]]) -> list[Entry]:
        """Return the entries that must not be dead-lettered now: the function fails, and not the events."""
        if not outcomes:
            return []
        # Retries do not count: there are several before each dead letter, which would never be the most then.
        ended = [
            (cloudevent.tenant_of(entry.event), isinstance(outcome, Bury))
            for entry, outcome in outcomes
            if not isinstance(outcome, Park)
        ]
        opened = self.dead_letter_breaker.opened_by(ended) and not self.channel.breaker_overridden()
        metrics.DEAD_LETTERS_WITHHELD.labels(self.channel.name).set(opened)
        if not opened:
            return []
        self.breaker.opened(WITHHELD_S)
        withheld = [(entry, outcome.status) for entry, outcome in outcomes if isinstance(outcome, Bury)]
        statuses = sorted({status for _, status in withheld})
        log.error("line_stopped", channel=self.channel.name, withheld=len(withheld), statuses=statuses)
        return [entry for entry, _ in withheld]

    def _account(self, outcomes: Sequence[tuple[Entry, Outcome]]) -> None:
        """Count what was settled, and log what did not go well."""
        counts = {"done": 0, "parked": 0, "buried": 0}
        for entry, outcome in outcomes:
            match outcome:
                case Done():
                    counts["done"] += 1
                case Park(wait_ms, attempts, _):
                    counts["parked"] += 1
                    log.info(
                        "entry_parked", channel=self.channel.name, entry=entry.id, attempts=attempts, wait_ms=wait_ms
                    )
                case Bury(status=status, attempts=attempts):
                    counts["buried"] += 1
                    log.error(
                        "entry_buried", channel=self.channel.name, entry=entry.id, attempts=attempts, status=status
                    )
        for outcome_name, count in counts.items():
            if count:
                metrics.DELIVERIES.labels(self.channel.name, outcome_name).inc(count)
