"""The loop that carries a channel to its function: read, deliver, settle."""

from __future__ import annotations

import threading
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from pydantic_core import to_json

from events import cloudevent, metrics
from events.breaker import HOLD_FIRST_S, HOLD_MAX_S, Breaker
from events.channel import HANDED_BYTES, Bury, Channel, Done, Entry, Outcome, Park
from events.delivery import Delivered
from events.errors import Refused, Unavailable
from events.failpoint import reach
from events.line import Line
from events.log import Log
from events.retry import LONGEST_S, NO_ANSWER, Verdict
from events.subscription import Subscription

log = Log("dispatcher")

#: How long one read waits for something to do; also how long a stop may take to be noticed.
BLOCK_MS = 500
#: How often abandoned entries and due retries are looked for.
SWEEP_S = 1.0
#: An entry handed out this often without a verdict is delivered alone: it may be what kills its dispatcher.
SUSPECT = 3
#: As many bytes of events as one request carries, unless one event alone is larger.
REQUEST_BYTES = HANDED_BYTES
#: The type of the event a dead letter shows where what was in the stream was none.
UNREADABLE = "io.sspp.unreadable"
#: How long a stopped line waits before it looks whether the function has been mended.
LINE_HOLD_S = 30.0

#: Said of an entry that was handed out once more than that.
_NEVER_ANSWERED = Verdict(NO_ANSWER, f"handed out {SUSPECT} times, and whoever took it never came back")
#: Said of an event whose answer has a reply for the channel it came from.
_ECHO = Verdict(NO_ANSWER, "the answer has a reply for the channel the event came from")


class Deliver(Protocol):
    """What the dispatcher needs of its target; see :class:`events.delivery.Target`."""

    timeout_s: float

    def deliver(self, events: Sequence[bytes]) -> list[Delivered] | Verdict:
        """POST a batch; see :meth:`events.delivery.Target.deliver`."""


@dataclass(slots=True, kw_only=True)
class Dispatcher:
    """One consumer of one lane. ``concurrency`` threads :meth:`run` it: each carries a batch at a time.

    Args:
        channel: what it reads and settles.
        target: where it delivers.
        breaker: whether the target is there; all that deliver to it share one.
        line: whether it is the function that fails, and not the events; the channel's dispatchers share one.
        subscription: linger and retry policy.
        batch: the most events a request carries.
        concurrency: how many threads run it: the most requests in flight.
        claim_idle_ms: how long another consumer's entry must have been left alone to be taken over; more than a
            delivery takes.
        destination: the target's URL, for the dead letter.
        now_ms: the wall clock in Unix ms.
        now_s: a clock that only goes forward, in seconds.
        rand: gives numbers in [0, 1).
        watch: looks after the dead letters; called whenever abandoned entries and due retries are looked for.
    """

    channel: Channel
    target: Deliver
    breaker: Breaker
    line: Line
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
        """Carry events until ``stopping`` is set; what is in flight is finished and settled first."""
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
        """Carry one batch, if there is one; gives how many entries were settled."""
        size = self.breaker.allows(min(self.batch, self._narrowed or self.batch))
        if not size:
            stopping.wait(self.breaker.wait_s())
            return 0
        try:
            entries = self._take(size, stopping)
            settled = self._carry(entries, stopping) if entries else 0
        finally:
            found_nothing = self.breaker.left()
        if found_nothing:
            stopping.wait(HOLD_FIRST_S)  # a lane that has something to ask with must get its turn
        return settled

    def _take(self, size: int, stopping: threading.Event) -> list[Entry]:
        """Read what is next: due retries first, then what another dispatcher left behind, then what is new.

        A probe asks with either in turn, so that what fails does not keep what would not from being tried.
        """
        if self.breaker.probing():
            self._probe_new = not self._probe_new
            if self._probe_new and (new := self.channel.read(size, 0)):
                return new
            return self._sweep(size) or self.channel.read(size, 0)
        return self._sweep(size) or self._read(size, stopping)

    def _read(self, size: int, stopping: threading.Event) -> list[Entry]:
        """Wait for what is new, one thread at a time: if all did, each would get one of what comes together.

        The last request that may be in flight is not for a few while more are about to come.
        """
        with self._reading:
            if stopping.is_set():
                return []
            entries = self.channel.read(size, BLOCK_MS)
            few = len(entries) < size and _bytes(entries) < REQUEST_BYTES // 2
            if entries and few and 0 < self._in_flight == self.concurrency - 1:
                stopping.wait(self.subscription.linger_s)
                entries += self.channel.read(size - len(entries), 0)
            return entries

    def _sweep(self, size: int) -> list[Entry]:
        """Once a second, or as soon as there is reason to: look for due retries and abandoned entries."""
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
        """Deliver, settle what got a verdict and give back the rest."""
        reach("dispatcher.read")
        with self._flying(), metrics.BATCH_SECONDS.labels(self.channel.name).time():
            delivered, rest = self._deliver(entries, stopping)
            reach("dispatcher.delivered")
            outcomes = [(entry, self._outcome(entry, what)) for entry, what in delivered]
            tenants = [cloudevent.tenant_of(entry.event) for entry, _ in outcomes]
            withheld = self._withheld(outcomes, tenants)
            if withheld:
                stays = [isinstance(outcome, Bury) for _, outcome in outcomes]
                outcomes = [pair for pair, withhold in zip(outcomes, stays, strict=True) if not withhold]
                tenants = [tenant for tenant, withhold in zip(tenants, stays, strict=True) if not withhold]
            settled = self.channel.settle(outcomes, tenants) if outcomes else 0
            reach("dispatcher.settled")
            if rest or withheld:
                self.channel.release([*rest, *withheld], self.claim_idle_ms)
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

        Gives what came of each, and those that were not offered: the target was away, or there was a stop.
        Neither costs an attempt; but where it is away right after a batch failed, one of that batch may have ended
        it, and for them the hand-out counts. A request begins only while its timeout still ends well before another
        may take the entries over: a function that hangs takes its time each time. Then the next batches are
        smaller, until what hangs is alone.
        """
        delivered = [(entry, Delivered(_NEVER_ANSWERED)) for entry in entries if entry.handed > SUSPECT]
        batches = _requests(entries)
        # Half of what a timeout leaves is for more requests, the other half for settling.
        over_s = self.now_s() + (self.claim_idle_ms / 1000 - self.target.timeout_s) / 2
        failed: Sequence[Entry] = ()
        while batches:
            batch = batches.pop(0)
            try:
                answer = self.target.deliver([entry.event for entry in batch])
            except Unavailable as exc:
                self._away(exc)
                batches = _counted([batch, *batches], failed)
                break
            metrics.TARGET_UP.labels(self.channel.name).set(1)
            self.breaker.closed()
            if not isinstance(answer, Verdict):
                delivered += zip(batch, answer, strict=True)
                self._narrowed = self._narrowed * 2 if self._narrowed < self.batch else 0
            elif len(batch) == 1:
                delivered.append((batch[0], Delivered(answer)))
            else:
                log.warning("batch_split", channel=self.channel.name, size=len(batch), status=answer.status)
                failed, half = batch, len(batch) // 2
                batches[:0] = [batch[:half], batch[half:]]
                if self.now_s() > over_s:
                    self._narrowed = half
                    break
            if stopping.is_set() or self.now_s() > over_s:
                break
        return delivered, [entry for batch in batches for entry in batch]

    def _away(self, exc: Unavailable) -> None:
        """Leave the target alone: for a moment when it was there just now, as long as it asks when it still is not."""
        metrics.TARGET_UP.labels(self.channel.name).set(0)
        hold_s = self.breaker.opened(exc.retry_after_s if self.breaker.probing() else 0.0)
        log.often("target_away", channel=self.channel.name, target=exc.what, hold_s=hold_s)

    def _outcome(self, entry: Entry, delivered: Delivered) -> Outcome:
        """Decide what becomes of one entry."""
        verdict = delivered.verdict
        if verdict.again_s > 0:
            # The function keeps this event's schedule, so no attempt is counted.
            return Park(int(min(verdict.again_s, LONGEST_S) * 1000), entry.attempts, entry.first_ms or self.now_ms())
        if verdict.delivered:
            if self.channel.name not in [name for name, _ in delivered.replies]:
                return Done(delivered.replies)
            verdict = _ECHO
        attempts, now = entry.attempts + 1, self.now_ms()
        first_ms = entry.first_ms or now
        wait_s = self.subscription.retry.wait_s(verdict, attempts, self.rand)
        if wait_s is not None:
            return Park(int(wait_s * 1000), attempts, first_ms)
        if not self.subscription.dead_letters:
            log.error("entry_dropped", channel=self.channel.name, entry=entry.id, status=verdict.status)
            return Done()
        tenant = cloudevent.tenant_of(entry.event)
        return Bury(
            event=self._dead_letter(entry, verdict),
            reason=verdict.detail,
            status=verdict.status,
            tenant=tenant,
            attempts=attempts,
            first_ms=first_ms,
            last_ms=now,
            event_id=self._event_id(tenant, entry),
        )

    def _withheld(self, outcomes: Sequence[tuple[Entry, Outcome]], tenants: Sequence[str]) -> list[Entry]:
        """What would be buried while the line is stopped: it stays where it is until the function is mended."""
        if not outcomes:
            return []
        # Only how events end: with retries before each burial, burials would never be most of all verdicts.
        verdicts = [
            (tenant, isinstance(outcome, Bury))
            for (_, outcome), tenant in zip(outcomes, tenants, strict=True)
            if not isinstance(outcome, Park)
        ]
        stopped = self.line.stopped_by(verdicts) and not self.channel.buries_all()
        metrics.LINE_STOPPED.labels(self.channel.name).set(stopped)
        if not stopped:
            return []
        self.breaker.opened(LINE_HOLD_S)
        withheld = [entry for entry, outcome in outcomes if isinstance(outcome, Bury)]
        reasons = sorted({outcome.status for _, outcome in outcomes if isinstance(outcome, Bury)})
        log.error("line_stopped", channel=self.channel.name, withheld=len(withheld), statuses=reasons)
        return withheld

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

    def _dead_letter(self, entry: Entry, verdict: Verdict) -> bytes:
        """The event with Knative's error attributes; transport errors count as 500 there."""
        return cloudevent.stamp(
            self._readable(entry),
            knativeerrordest=self.destination,
            knativeerrorcode=500 if verdict.status == NO_ANSWER else verdict.status,
            # No attribute may hold control characters; with one of them nobody could read the event any more.
            knativeerrordata="".join(char if char.isprintable() else " " for char in verdict.detail),
        )

    def _event_id(self, tenant: str, entry: Entry) -> str:
        """Return the id that the event's sender was given; empty where no sender sent it, or it cannot be read."""
        if self.channel.name != "events" or not tenant:
            return ""
        try:
            event = cloudevent.parse(entry.event).event
        except Refused:
            return ""
        return cloudevent.event_id(tenant, event.source, event.id)

    def _readable(self, entry: Entry) -> bytes:
        """The event; what is none becomes the data of one, so that whoever looks at the letter can read it."""
        try:
            return cloudevent.parse(entry.event).raw
        except Refused:
            return to_json(
                {
                    "specversion": "1.0",
                    "id": entry.id,
                    "source": f"/sspp/{self.channel.name}",
                    "type": UNREADABLE,
                    "data_base64": b64encode(entry.event).decode(),
                }
            )


def _counted(batches: Sequence[Sequence[Entry]], failed: Sequence[Entry]) -> list[list[Entry]]:
    """The batches, with the hand-out of those that ``failed`` counted: giving back takes one off."""
    ids = {entry.id for entry in failed}
    return [[e._replace(handed=e.handed + 1) if e.id in ids else e for e in batch] for batch in batches]


def _bytes(entries: Sequence[Entry]) -> int:
    return sum([len(entry.event) for entry in entries])


def _requests(entries: Sequence[Entry]) -> list[list[Entry]]:
    """What goes into one request each: suspects alone, the others together up to :data:`REQUEST_BYTES`."""
    requests: list[list[Entry]] = [[]]
    size = 0
    for entry in entries:
        if entry.handed >= SUSPECT:
            continue
        if requests[-1] and size + len(entry.event) > REQUEST_BYTES:
            requests.append([])
            size = 0
        requests[-1].append(entry)
        size += len(entry.event)
    return [each for each in requests if each] + [[entry] for entry in entries if entry.handed == SUSPECT]
