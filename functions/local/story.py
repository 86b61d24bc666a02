"""A made-up sales week: the company, its accounts and what happened to them. Pure: seed and clock are arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Any

#: The seller: every e-mail, call and demo is about its product.
COMPANY = "Brightdesk"
DOMAIN = "brightdesk.example"

MAYA, TOMAS, PRIYA, ERIK, LENA = (
    f"{name}@{DOMAIN}" for name in ("maya.okafor", "tomas.vega", "priya.nair", "erik.lund", "lena.brandt")
)
REPS = (MAYA, TOMAS, PRIYA, ERIK, LENA)

#: Accounts that only get the newsletter and a short sequence of e-mails.
QUIET_ACCOUNTS = 300


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody at an account. The e-mail address is their ``contactId``."""

    name: str
    email: str

    @classmethod
    def at(cls, account_id: str, name: str) -> Person:
        """Return the address that their employer would give them."""
        return cls(name, f"{name.lower().replace(' ', '.')}@{account_id}.example")


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happened ``times`` times between two working days.

    Args:
        kind: the event type without ``io.sspp.``.
        first: working day, 0-4 within the week, below 0 before it.
        last: the last such day.
    """

    kind: str
    times: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Account:
    """One customer-to-be.

    Args:
        plot: its story in a few words.
        rep: who of ours works on it.
        people: names; none of them known means anonymous visits.
        steps: what happened, in no order.
    """

    id: str
    name: str
    plot: str
    rep: str
    people: Sequence[str]
    steps: Sequence[Step]


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One event as the sender knows it; ``id`` is unique within ``source``."""

    id: str
    source: str
    type: str
    time: datetime
    account_id: str
    person: Person | None
    rep: str | None
    metadata: Mapping[str, Any] = field(default_factory=dict)


ACCOUNTS: Sequence[Account] = (
    Account(
        "northwind-freight",
        "Northwind Freight",
        "heating up, the proposal is open",
        MAYA,
        ("Jane Miller", "Oscar Reyes", "Hannah Cole"),
        (
            Step("email.sent", 6, 0, 4),
            Step("email.opened", 7, 0, 1),
            Step("email.clicked", 3, 0, 1),
            Step("page.viewed", 6, 0, 2),
            Step("pricing.viewed", 2, 1, 2),
            Step("demo.requested", 1, 2, 2),
            Step("call.made", 1, 2, 2),
            Step("demo.completed", 1, 3, 3),
            Step("proposal.viewed", 1, 4, 4),
        ),
    ),
    Account(
        "bluebird-logistics",
        "Bluebird Logistics",
        "on trial, nobody has called them",
        TOMAS,
        ("Ines Duarte", "Mark Webb"),
        (
            Step("email.sent", 4, 0, 4),
            Step("email.opened", 5, 0, 4),
            Step("form.submitted", 1, 1, 1),
            Step("trial.started", 1, 2, 2),
            Step("page.viewed", 12, 2, 4),
            Step("email.clicked", 2, 2, 4),
        ),
    ),
    Account(
        "harbor-foods",
        "Harbor Foods",
        "one busy contact, nobody else",
        PRIYA,
        ("Sam Whitfield",),
        (
            Step("email.sent", 3, 0, 3),
            Step("email.opened", 9, 0, 4),
            Step("email.clicked", 4, 0, 4),
            Step("page.viewed", 14, 0, 4),
            Step("pricing.viewed", 1, 3, 4),
        ),
    ),
    Account(
        "kestrel-energy",
        "Kestrel Energy",
        "steady, week after week",
        ERIK,
        ("Anna Lindqvist", "Piotr Nowak"),
        (
            Step("demo.completed", 1, -16, -16),
            Step("email.replied", 1, -12, -10),
            Step("email.replied", 1, -8, -6),
            Step("call.made", 2, -6, 3),
            Step("email.sent", 3, 0, 4),
            Step("email.opened", 3, 0, 4),
            Step("email.clicked", 1, 1, 3),
            Step("page.viewed", 2, 0, 4),
        ),
    ),
    Account(
        "atlas-retail",
        "Atlas Retail",
        "cooling: silence, an unsubscribe",
        LENA,
        ("Greta Holm", "Paul Adeyemi"),
        (
            Step("demo.requested", 1, -9, -9),
            Step("pricing.viewed", 2, -9, -7),
            Step("email.replied", 1, -8, -7),
            Step("email.clicked", 3, -7, -6),
            Step("email.opened", 3, 0, 0),
            Step("email.sent", 7, 0, 2),
            Step("email.unsubscribed", 1, 3, 3),
            Step("call.made", 2, 4, 4),
        ),
    ),
    Account(
        "granite-insurance",
        "Granite Insurance",
        "only our reps touch it",
        TOMAS,
        ("Victor Stone", "Lucy Park", "Dan Moreau", "Ruth Sokolov"),
        (Step("email.sent", 34, 0, 4), Step("call.made", 11, 0, 4)),
    ),
    Account(
        "vertex-media",
        "Vertex Media",
        "no-show at the meeting",
        MAYA,
        ("Chris Tan", "Bea Fontaine"),
        (
            Step("email.sent", 5, 0, 4),
            Step("email.opened", 4, 0, 2),
            Step("meeting.booked", 1, 1, 1),
            Step("meeting.no_show", 1, 3, 3),
            Step("call.made", 3, 3, 4),
        ),
    ),
    Account(
        "meridian-bank",
        "Meridian Bank",
        "six people look at us",
        PRIYA,
        ("Olga Petrova", "James Ferrer", "Nadia Rahman", "Tim Becker", "Sofia Rossi", "Leo Grant"),
        (
            Step("email.sent", 6, 0, 1),
            Step("email.opened", 11, 2, 4),
            Step("email.clicked", 3, 3, 4),
            Step("page.viewed", 9, 3, 4),
        ),
    ),
    Account(
        "cobalt-robotics",
        "Cobalt Robotics",
        "anonymous look at the prices",
        ERIK,
        (),
        (Step("page.viewed", 3, 1, 4), Step("pricing.viewed", 1, 2, 4)),
    ),
    Account(
        "juniper-labs",
        "Juniper Labs",
        "a call, a reply, a meeting",
        LENA,
        ("Alice Moreno", "Ken Ito"),
        (
            Step("call.made", 1, 0, 0),
            Step("call.connected", 1, 0, 0),
            Step("email.sent", 3, 1, 4),
            Step("email.replied", 1, 2, 3),
            Step("meeting.booked", 1, 4, 4),
        ),
    ),
    Account(
        "old-mill-paper",
        "Old Mill Paper",
        "e-mail bounces",
        ERIK,
        ("Walter Finch", "Edith Shaw"),
        (Step("email.sent", 4, 0, 2), Step("email.bounced", 3, 0, 3)),
    ),
    Account(
        "orchid-hotels",
        "Orchid Hotels",
        "quiet: reads along",
        PRIYA,
        ("Marta Silva",),
        (Step("email.sent", 3, 0, 4), Step("email.opened", 3, 0, 4), Step("page.viewed", 3, 2, 4)),
    ),
    Account(
        "pinecrest-schools",
        "Pinecrest Schools",
        "quiet: opened once",
        LENA,
        ("Joan Ellis",),
        (Step("email.sent", 3, 0, 4), Step("email.opened", 1, 3, 3)),
    ),
)

#: Kind -> the system that reports it, the CloudEvent's ``source``.
_SOURCES: Mapping[str, str] = {
    "email": "/brightdesk/mail",
    "call": "/brightdesk/phone",
    "meeting": "/brightdesk/calendar",
    "demo": "/brightdesk/calendar",
    "page": "/brightdesk/website",
    "pricing": "/brightdesk/website",
    "form": "/brightdesk/website",
    "trial": "/brightdesk/website",
    "proposal": "/brightdesk/crm",
}
_VISITS = frozenset({"page.viewed", "pricing.viewed", "form.submitted", "trial.started"})

_SUBJECTS = (
    "Routes that plan themselves",
    "Your depot at a glance",
    "How Hartwell cut empty miles by a fifth",
    "Ten minutes this week?",
    "The spring release in two minutes",
    "A question about your fleet",
)
_PAGES = ("/", "/product", "/product/planning", "/customers", "/customers/hartwell", "/security", "/integrations")

#: Hour of the day -> how much of a day's work falls into it.
_OFFICE_HOURS: Mapping[int, int] = {8: 1, 9: 3, 10: 4, 11: 3, 12: 1, 13: 2, 14: 4, 15: 3, 16: 2, 17: 1}

_QUIET_FIRST = (
    *("Amber", "Birch", "Cedar", "Clover", "Copper", "Dover", "Elm", "Fern", "Garnet", "Hazel"),
    *("Iris", "Jasper", "Laurel", "Maple", "Nettle", "Opal", "Poplar", "Quartz", "Rowan", "Sage"),
)
_QUIET_LAST = (
    *("Bakery", "Bikes", "Books", "Brewery", "Carpets", "Ceramics", "Clinic", "Dairy"),
    *("Garage", "Gardens", "Joinery", "Optics", "Paints", "Press", "Textiles"),
)
_FIRST_NAMES = ("Ada", "Ben", "Carla", "David", "Elif", "Frank", "Gita", "Hugo", "Ivy", "Jonas", "Kira", "Liam")
_LAST_NAMES = ("Abbott", "Bauer", "Costa", "Dalton", "Evans", "Fischer", "Garcia", "Hughes", "Jensen", "Kaplan")

#: Of 100 e-mails to a quiet account so many are opened, so many bounce.
_OPENED, _BOUNCED = 38, 2
#: What comes of 100 that are opened.
_AFTER_OPENING: Mapping[str, int] = {"email.clicked": 6, "page.viewed": 22, "email.unsubscribed": 1}


def week(seed: int, now: datetime) -> list[Happening]:
    """Return the week before the day of ``now``, oldest first, with what came before it where that matters.

    The same seed and day give the same events, so that sending them again makes duplicates.
    """
    today = now.astimezone(UTC).date()
    random = Random(f"{seed} {today}")
    drafts = [*_stories(random, today), *_newsletter(random, today)]
    drafts.sort(key=lambda draft: draft.at)
    return [_happening(draft, f"demo-{seed}-{today:%Y%m%d}-{number:05}") for number, draft in enumerate(drafts)]


@dataclass(frozen=True, slots=True)
class _Draft:
    """A happening before it has its place in the week."""

    at: datetime
    kind: str
    account_id: str
    person: Person | None
    rep: str
    metadata: Mapping[str, Any]


def _happening(draft: _Draft, id_: str) -> Happening:
    return Happening(
        id=id_,
        source=_SOURCES[draft.kind.partition(".")[0]],
        type=f"io.sspp.{draft.kind}",
        time=draft.at,
        account_id=draft.account_id,
        person=draft.person,
        rep=None if draft.kind in _VISITS else draft.rep,
        metadata=draft.metadata,
    )


def _stories(random: Random, today: date) -> Iterator[_Draft]:
    for account in ACCOUNTS:
        people = [Person.at(account.id, name) for name in account.people]
        for step in account.steps:
            for number in range(step.times):
                at = _office_hours(random, _working_day(today, random.randint(step.first, step.last)))
                # In turn, so that every one of them shows up.
                person = people[number % len(people)] if people else None
                yield _draft(random, at, step.kind, account.id, person, account.rep)


def _newsletter(random: Random, today: date) -> Iterator[_Draft]:
    """Three e-mails to one to three people at each quiet account, and the little that comes of them."""
    names = [f"{first} {last}" for first in _QUIET_FIRST for last in _QUIET_LAST][:QUIET_ACCOUNTS]
    for number, name in enumerate(names):
        account_id, rep = name.lower().replace(" ", "-"), REPS[number % len(REPS)]
        for contact in random.sample(_FIRST_NAMES, random.choice((1, 2, 3, 3))):
            person = Person.at(account_id, f"{contact} {random.choice(_LAST_NAMES)}")
            for day in (0, 2, 4):
                sent = _office_hours(random, _working_day(today, day))
                for at, kind in _after_a_mail(random, sent):
                    yield _draft(random, at, kind, account_id, person, rep)


def _after_a_mail(random: Random, sent: datetime) -> Iterator[tuple[datetime, str]]:
    yield sent, "email.sent"
    if _happens(random, _BOUNCED):
        yield sent + timedelta(seconds=random.randint(2, 90)), "email.bounced"
    elif _happens(random, _OPENED):
        opened = sent + timedelta(seconds=random.randint(60, 4 * 3600))
        yield opened, "email.opened"
        for kind, percent in _AFTER_OPENING.items():
            if _happens(random, percent):
                yield opened + timedelta(seconds=random.randint(5, 600)), kind


def _draft(random: Random, at: datetime, kind: str, account_id: str, person: Person | None, rep: str) -> _Draft:
    metadata = _DETAILS[kind](random)
    if person is not None:
        metadata["contactName"] = person.name
    return _Draft(at, kind, account_id, person, rep, metadata)


def _mail(random: Random) -> dict[str, Any]:
    return {"subject": random.choice(_SUBJECTS)}


def _click(random: Random) -> dict[str, Any]:
    return {
        "subject": random.choice(_SUBJECTS),
        "link": random.choice(_PAGES),
        "interactionCount": random.randint(1, 6),
    }


def _reply(random: Random) -> dict[str, Any]:
    return {"subject": "Re: " + random.choice(_SUBJECTS), "responseTimeHours": random.randint(1, 40)}


def _page(random: Random) -> dict[str, Any]:
    return {"path": random.choice(_PAGES), "seconds": random.randint(4, 240)}


def _pricing(random: Random) -> dict[str, Any]:
    return {"path": "/pricing", "seconds": random.randint(20, 400), "interactionCount": random.randint(1, 6)}


def _call(random: Random) -> dict[str, Any]:
    return {"outcome": random.choice(("voicemail", "no answer", "call back later"))}


def _talk(random: Random) -> dict[str, Any]:
    return {"minutes": random.randint(6, 25)}


def _meeting(random: Random) -> dict[str, Any]:
    return {"title": f"{COMPANY} in 30 minutes", "interactionCount": random.randint(2, 6)}


def _demo(random: Random) -> dict[str, Any]:
    return {
        "title": f"{COMPANY} demo",
        "minutes": random.choice((30, 45, 60)),
        "interactionCount": random.randint(3, 9),
    }


def _asked(random: Random) -> dict[str, Any]:
    return {"path": "/demo", "fleetSize": random.randint(12, 180), "responseTimeHours": random.randint(1, 20)}


def _form(random: Random) -> dict[str, Any]:
    return {"path": "/contact", "fleetSize": random.randint(12, 180)}


def _trial(random: Random) -> dict[str, Any]:
    return {"plan": random.choice(("team", "business")), "seats": random.randint(3, 12)}


def _proposal(random: Random) -> dict[str, Any]:
    return {"document": f"{COMPANY} proposal.pdf", "pages": random.randint(4, 12), "seconds": random.randint(90, 900)}


#: Kind -> what the sender knows beside it.
_DETAILS: Mapping[str, Callable[[Random], dict[str, Any]]] = {
    "email.sent": _mail,
    "email.opened": _mail,
    "email.clicked": _click,
    "email.replied": _reply,
    "email.bounced": _mail,
    "email.unsubscribed": _mail,
    "call.made": _call,
    "call.connected": _talk,
    "meeting.booked": _meeting,
    "meeting.no_show": _meeting,
    "demo.requested": _asked,
    "demo.completed": _demo,
    "page.viewed": _page,
    "pricing.viewed": _pricing,
    "form.submitted": _form,
    "trial.started": _trial,
    "proposal.viewed": _proposal,
}


def _happens(random: Random, percent: int) -> bool:
    return random.randrange(100) < percent


def _working_day(today: date, number: int) -> date:
    """Return the working day ``number``: 0-4 are those of the seven days before ``today``, -1 the one before."""
    day, left = today, 4 - number
    while left >= 0:
        day -= timedelta(days=1)
        if day.weekday() < 5:
            left -= 1
    return day


def _office_hours(random: Random, day: date) -> datetime:
    hour = random.choices(list(_OFFICE_HOURS), list(_OFFICE_HOURS.values()))[0]
    return datetime.combine(day, time(hour, random.randrange(60), random.randrange(60)), UTC)
