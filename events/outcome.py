"""What becomes of a delivered event: done, retried or dead-lettered. Pure: clock and chance are arguments."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass

from pydantic_core import to_json

from events import cloudevent
from events.delivery import Delivered
from events.entry import Bury, Done, Entry, Outcome, Park
from events.errors import Refused
from events.retry import LONGEST_S, NO_ANSWER, Verdict
from events.subscription import Subscription

#: The type of the event that a dead letter holds where the entry held none.
UNREADABLE = "io.sspp.unreadable"
#: The outcome of an event that is given up on a channel without dead letters.
DROPPED = Done()

#: The verdict on an event whose answer has a reply for the channel it came from.
_ECHO = Verdict(NO_ANSWER, "the answer has a reply for the channel the event came from")


@dataclass(frozen=True, slots=True)
class OutcomePolicy:
    """How the events of one subscription end.

    Args:
        destination: the function's URL, for dead letters.
    """

    subscription: Subscription
    destination: str

    def outcome(self, entry: Entry, delivered: Delivered, now_ms: int, rand: Callable[[], float]) -> Outcome:
        """Decide what becomes of one entry.

        Args:
            now_ms: the wall clock, Unix ms.
            rand: returns numbers in [0, 1).
        """
        verdict, first_ms = delivered.verdict, entry.first_ms or now_ms
        if verdict.again_s > 0:
            # The function keeps this event's schedule, so no attempt is counted.
            return Park(int(min(verdict.again_s, LONGEST_S) * 1000), entry.attempts, first_ms)
        if verdict.delivered:
            if self.subscription.channel not in [name for name, _ in delivered.replies]:
                return Done(delivered.replies)
            verdict = _ECHO
        attempts = entry.attempts + 1
        wait_s = self.subscription.retry.wait_s(verdict, attempts, rand)
        if wait_s is not None:
            return Park(int(wait_s * 1000), attempts, first_ms)
        if not self.subscription.dead_letters:
            return DROPPED
        tenant = cloudevent.tenant_of(entry.event)
        return Bury(
            event=self._dead_letter(entry, verdict),
            reason=verdict.detail,
            status=verdict.status,
            tenant=tenant,
            attempts=attempts,
            first_ms=first_ms,
            last_ms=now_ms,
            event_id=self._event_id(tenant, entry),
        )

    def _dead_letter(self, entry: Entry, verdict: Verdict) -> bytes:
        """Return the event with Knative's error attributes; transport errors count as 500 there."""
        return cloudevent.stamp(
            self._readable(entry),
            knativeerrordest=self.destination,
            knativeerrorcode=500 if verdict.status == NO_ANSWER else verdict.status,
            # No attribute may hold control characters: with one of them nobody could read the event any more.
            knativeerrordata="".join(char if char.isprintable() else " " for char in verdict.detail),
        )

    def _event_id(self, tenant: str, entry: Entry) -> str:
        """Return the id that the sender was given for the event; empty where no sender sent it or it is unreadable."""
        if self.subscription.channel != "events" or not tenant:
            return ""
        try:
            event = cloudevent.parse(entry.event).event
        except Refused:
            return ""
        return cloudevent.event_id(tenant, event.source, event.id)

    def _readable(self, entry: Entry) -> bytes:
        """Return the event; what is none becomes the data of one, so that an operator can read the dead letter."""
        try:
            return cloudevent.parse(entry.event).raw
        except Refused:
            return to_json(
                {
                    "specversion": "1.0",
                    "id": entry.id,
                    "source": f"/sspp/{self.subscription.channel}",
                    "type": UNREADABLE,
                    "data_base64": b64encode(entry.event).decode(),
                }
            )
