"""What is remembered of an account between its events, so that insights are found without reading the events again.

Moments are whole microseconds since :data:`functions.domain.score.LANDMARK`, and days are UTC days since then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from statistics import median
from typing import Any, NamedTuple, Self

from functions.domain.catalog import CONTACT_UPDATED, PREFIX
from functions.domain.score import DAY_US
from functions.domain.thresholds import Insights

#: Gaps between days with events of the buyer that the median is taken of.
GAPS = 8
#: Days that a surge looks at: this week and the three before.
SURGE_DAYS = 28
#: Contacts that are remembered beyond the number that makes a committee.
_MORE_CONTACTS = 2
#: Points from which an event shows that its contact is engaged: opening an e-mail (1) does not.
ENGAGED_POINTS = 2
#: Contacts whose roles are remembered: those of whom it was said last.
MOST_ROLES = 10
#: Touches of ours further apart do not belong together.
TOUCHES_DAYS = 30
#: High intent is over so long after its latest event.
INTENT_DAYS = 7
#: A second look at the price within so long is high intent.
PRICED_WITHIN_US = DAY_US


def _types(*names: str) -> frozenset[str]:
    return frozenset(PREFIX + name for name in names)


#: A buyer answered.
REPLIES = _types(
    "email.replied",
    "call.connected",
    "meeting.booked",
    "demo.requested",
    "demo.completed",
    "form.submitted",
    "trial.started",
)
#: We spoke with each other, so we have responded: what a representative does is the rep's side, and responds as well.
CONVERSATIONS = _types("call.connected", "meeting.booked", "demo.completed")
HIGH_INTENT = _types("demo.requested", "trial.started", "form.submitted", "proposal.viewed")
PRICED = PREFIX + "pricing.viewed"
DEMO = PREFIX + "demo.completed"
#: What a demo leads to where it goes on.
NEXT_STEPS = _types("meeting.booked", "demo.requested", "trial.started", "proposal.viewed", "form.submitted")
RESCHEDULED = PREFIX + "meeting.rescheduled"
NO_SHOW = PREFIX + "meeting.no_show"
#: A meeting begins anew: how often the one before was moved counts no more.
_SETTLED = _types("meeting.booked", "demo.completed", "meeting.no_show")
NEGATIVE = _types("email.unsubscribed", "email.bounced")
#: Types that insights depend on whatever they are worth.
WATCHED = frozenset(
    {
        CONTACT_UPDATED.type,
        PRICED,
        RESCHEDULED,
        NO_SHOW,
        *REPLIES,
        *HIGH_INTENT,
        *NEXT_STEPS,
        *NEGATIVE,
        *_types("email.sent", "call.made"),
    }
)


class Happening(NamedTuple):
    """An event that counts, as far as insights depend on it.

    Args:
        at: when it occurred.
        id: the event's; ``(at, id)`` is its place in the order.
        type: the full event type.
        buyer: whether it is the buyer's side's, else it is a representative's.
        points: what it adds; no event without points shows that a buyer acts.
        contact: who, where it names one.
        role: what it says the contact's role is; empty where it says that there is none; None where it says nothing.
        newcomer: whether it is the first event of its contact on the buyer's side.
    """

    at: int
    id: str
    type: str
    buyer: bool
    points: int
    contact: str | None = None
    role: str | None = None
    newcomer: bool = False

    @property
    def inbound(self) -> bool:
        """Whether a buyer acts, and not to turn away."""
        return self.buyer and self.points > 0

    @property
    def response(self) -> bool:
        """Whether a representative acts, or both speak with each other."""
        return not self.buyer or self.type in CONVERSATIONS


@dataclass(slots=True)
class Watch:
    """An account between two events. Small: it is stored with the account and read with each of its events.

    Args:
        at, id: the newest event.
        looked: the latest moment that was looked at, of an event or in silence.
        fired: the latest moment at which silence alone changed an insight.
        open: the insights that are open -> when they end, 0 where that depends on what happens.
        inbound, score: when the buyer last acted, and the engagement shown then.
        first: the day of the buyer's first event.
        days: the buyer's events by day, today first: as of the day of ``inbound``.
        gaps: days between the latest days with events of the buyer, the newest last.
        peopled: whether a contact has acted.
        crew: engaged contacts: id and day of the latest event, the latest last.
        roles: contact -> role, those of whom it was said last.
        touches, touched: touches of ours since the buyer last answered, and when the latest was.
        intent, intent_last: first and latest event of high intent since we last responded.
        priced: when the price was last looked at.
        demo: the latest demo without a next step.
        moved: how often the meeting was rescheduled.
    """

    at: int = 0
    id: str = ""
    looked: int = 0
    fired: int = 0
    open: dict[str, int] = field(default_factory=dict)
    inbound: int | None = None
    score: float = 0.0
    first: int = 0
    days: list[int] = field(default_factory=list)
    gaps: list[int] = field(default_factory=list)
    peopled: bool = False
    crew: list[tuple[str, int]] = field(default_factory=list)
    roles: dict[str, str] = field(default_factory=dict)
    touches: int = 0
    touched: int = 0
    intent: int | None = None
    intent_last: int = 0
    priced: int | None = None
    demo: int | None = None
    moved: int = 0

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self:
        """Return one from its stored form."""
        watch = cls(**stored)
        watch.crew = [(contact, day) for contact, day, *_ in watch.crew]
        return watch

    def stored(self) -> dict[str, Any]:
        """Return it as JSON types; what is as at the beginning is left out."""
        return {each: value for each in _NAMES if (value := getattr(self, each)) != getattr(_FRESH, each)}

    def late(self, at: int, id_: str) -> bool:
        """Return whether an event comes after others that followed it, or after what silence brought meanwhile."""
        return bool(self.id) and ((at, id_) <= (self.at, self.id) or at < self.fired)

    def note(self, event: Happening, shown: float, limits: Insights) -> None:
        """Remember an event that is next in the order.

        Args:
            shown: the engagement with it.
        """
        self.at, self.id, self.looked = event.at, event.id, event.at
        if event.contact is not None and event.role is not None:
            self._note_role(event.contact, event.role)
        if event.inbound:
            self._note_inbound(event, shown, limits)
        if event.response:
            self.intent = None
        self._note_touch(event)
        self._note_meeting(event)

    def _note_role(self, contact: str, role: str) -> None:
        self.roles = {each: said for each, said in self.roles.items() if each != contact}
        if role:
            self.roles[contact] = role
        for each in list(self.roles)[:-MOST_ROLES]:
            del self.roles[each]

    def _note_touch(self, event: Happening) -> None:
        if event.type in REPLIES:
            self.touches = 0
        elif not event.buyer:
            alone = event.at - self.touched >= TOUCHES_DAYS * DAY_US
            self.touches, self.touched = (1 if alone else self.touches + 1), event.at

    def _note_meeting(self, event: Happening) -> None:
        if event.type == DEMO:
            self.demo = event.at
        elif event.type in NEXT_STEPS:
            self.demo = None
        if event.type == RESCHEDULED:
            self.moved += 1
        elif event.type in _SETTLED:
            self.moved = 0

    def _note_inbound(self, event: Happening, shown: float, limits: Insights) -> None:
        today = event.at // DAY_US
        if self.inbound is None:
            self.first, self.days = today, [0]
        elif passed := today - self.inbound // DAY_US:
            self.gaps = [*self.gaps, passed][-GAPS:]
            self.days = [*[0] * min(passed, SURGE_DAYS), *self.days][:SURGE_DAYS]
        self.days[0] += 1
        self.inbound, self.score = event.at, shown
        if event.contact is not None:
            self.peopled = True
            if event.points >= ENGAGED_POINTS:
                others = [each for each in self.crew if each[0] != event.contact]
                most = limits.committee.contacts + _MORE_CONTACTS
                self.crew = [*others, (event.contact, today)][-most:]
        if self._high_intent(event):
            if self.intent is None or event.at - self.intent_last >= INTENT_DAYS * DAY_US:
                self.intent = event.at
            self.intent_last = event.at
        if event.type == PRICED:
            self.priced = event.at

    def _high_intent(self, event: Happening) -> bool:
        again = self.priced is not None and event.at - self.priced < PRICED_WITHIN_US
        return event.type in HIGH_INTENT or (event.type == PRICED and again)

    @property
    def usual_gap(self) -> float:
        """The median of the account's gaps, in days; 0 where there is none."""
        return median(self.gaps) if self.gaps else 0.0

    def week(self, at: int) -> tuple[int, int]:
        """Return the buyer's events of the week that ends with the day of ``at``, and of the three weeks before."""
        if self.inbound is None:
            return 0, 0
        passed = at // DAY_US - self.inbound // DAY_US
        return sum(self.days[: max(7 - passed, 0)]), sum(self.days[max(7 - passed, 0) : max(SURGE_DAYS - passed, 0)])

    def engaged(self, at: int, days: int) -> list[str]:
        """Return the contacts that were engaged within the last ``days``, the day of ``at`` among them."""
        since = at // DAY_US - days
        return [contact for contact, day in self.crew if day > since]


_FRESH = Watch()
_NAMES = tuple(each.name for each in fields(Watch))
