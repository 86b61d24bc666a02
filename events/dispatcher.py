"""The loop that carries a channel to its function: read, deliver, settle."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from events import cloudevent, metrics
from events.channel import Bury, Channel, Done, Entry, Outcome, Park
from events.delivery import Delivered
from events.errors import Unavailable
from events.log import Log
from events.retry import NO_ANSWER, Verdict
from events.subscription import Subscription

log = Log("dispatcher")

#: How long one read waits for something to do; also how long a stop may take to be noticed.
BLOCK_MS = 500
#: How often abandoned entries and due retries are looked for.
SWEEP_MS = 1000
#: The longest pause between two tries at a target that is away.
HOLD_MAX_S = 5.0


class Deliver(Protocol):
    """What the dispatcher needs of its target; see :class:`events.delivery.Target`."""

    def deliver(self, events: Sequence[bytes]) -> list[Delivered] | Verdict:
        """POST a batch; see :meth:`events.delivery.Target.deliver`."""


@dataclass(slots=True, kw_only=True)
class Dispatcher:
    """One consumer of one partition.

    Args:
        channel: what it reads and settles.
        target: where it delivers.
        subscription: batch size and retry policy.
        claim_idle_ms: how long another consumer's entry must have been left alone to be taken over.
        destination: the target's URL, for the dead letter.
        now_ms: the wall clock in Unix ms.
        rand: gives numbers in [0, 1).
    """

    channel: Channel
    target: Deliver
    subscription: Subscription
    claim_idle_ms: int
    destination: str
    now_ms: Callable[[], int]
    rand: Callable[[], float]
    _swept_ms: int = 0

    def run(self, stopping: threading.Event) -> None:
        """Carry events until ``stopping`` is set; what is in flight is finished and settled first."""
        hold_s = 0.0
        while not stopping.wait(hold_s):
            try:
                self.channel.ensure()
                while not stopping.is_set():
                    self.run_once(stopping)
                return
            except Unavailable as exc:
                hold_s = min(HOLD_MAX_S, hold_s * 2 or 0.25)
                log.warning("waiting", channel=self.channel.name, backend=exc.what, hold_s=hold_s)

    def run_once(self, stopping: threading.Event) -> int:
        """Carry one batch, if there is one; gives how many entries were settled."""
        entries = self._sweep() or self.channel.read(self.subscription.batch, BLOCK_MS)
        if not entries:
            return 0
        with metrics.BATCH_SECONDS.labels(self.channel.name).time():
            delivered = self._deliver(entries, stopping)
            outcomes = [(entry, self._outcome(entry, what)) for entry, what in delivered]
            return self.channel.settle(outcomes) if outcomes else 0

    def _sweep(self) -> list[Entry]:
        """Once a second: wake due retries, take over what a dead consumer left, and publish the depth."""
        now = self.now_ms()
        if 0 <= now - self._swept_ms < SWEEP_MS:
            return []
        self._swept_ms = now
        self.channel.unpark(now, self.subscription.batch)
        metrics.DEPTH.labels(self.channel.name).set(self.channel.depth())
        metrics.PARKED.labels(self.channel.name).set(self.channel.parked())
        return self.channel.claim(self.subscription.batch, self.claim_idle_ms)

    def _deliver(self, entries: Sequence[Entry], stopping: threading.Event) -> list[tuple[Entry, Delivered]]:
        """Deliver a batch, split while it fails without verdicts, so that a poison event ends up alone.

        Entries that could not be offered before ``stopping`` are left out: they stay pending for another.
        """
        answer = self._offer(entries, stopping)
        if answer is None:
            return []
        if not isinstance(answer, Verdict):
            return list(zip(entries, answer, strict=True))
        if len(entries) == 1:
            return [(entries[0], Delivered(answer))]
        log.warning("batch_split", channel=self.channel.name, size=len(entries), status=answer.status)
        half = len(entries) // 2
        return self._deliver(entries[:half], stopping) + self._deliver(entries[half:], stopping)

    def _offer(self, entries: Sequence[Entry], stopping: threading.Event) -> list[Delivered] | Verdict | None:
        """Deliver once the target is there. Waiting for it consumes no attempts."""
        hold_s = 0.0
        while not stopping.wait(hold_s):
            try:
                answer = self.target.deliver([entry.event for entry in entries])
            except Unavailable as exc:
                hold_s = max(min(HOLD_MAX_S, hold_s * 2 or 0.1), min(exc.retry_after_s, HOLD_MAX_S))
                metrics.TARGET_UP.labels(self.channel.name).set(0)
                log.warning("target_away", channel=self.channel.name, hold_s=hold_s)
            else:
                metrics.TARGET_UP.labels(self.channel.name).set(1)
                return answer
        return None

    def _outcome(self, entry: Entry, delivered: Delivered) -> Outcome:
        """Decide what becomes of one entry."""
        verdict = delivered.verdict
        if verdict.delivered:
            metrics.DELIVERIES.labels(self.channel.name, "done").inc()
            return Done(delivered.replies)
        attempts, now = entry.attempts + 1, self.now_ms()
        first_ms = entry.first_ms or now
        wait_s = self.subscription.retry.wait_s(verdict, attempts, self.rand)
        fields: dict[str, Any] = {
            "channel": self.channel.name,
            "entry": entry.id,
            "status": verdict.status,
            "attempts": attempts,
        }
        if wait_s is not None:
            metrics.DELIVERIES.labels(self.channel.name, "parked").inc()
            log.info("entry_parked", wait_s=round(wait_s, 1), **fields)
            return Park(now + int(wait_s * 1000), attempts, first_ms)
        metrics.DELIVERIES.labels(self.channel.name, "buried").inc()
        log.error("entry_buried", **fields)
        return Bury(self._dead_letter(entry, verdict), verdict.detail, attempts, first_ms, now)

    def _dead_letter(self, entry: Entry, verdict: Verdict) -> bytes:
        """The event with Knative's error attributes; transport errors count as 500 there."""
        return cloudevent.stamp(
            entry.event,
            knativeerrordest=self.destination,
            knativeerrorcode=500 if verdict.status == NO_ANSWER else verdict.status,
            knativeerrordata=verdict.detail,
        )
