"""A made-up sales week: the accounts (accounts.json) and what happened to them. Seed and clock are arguments."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from random import Random
from typing import Any

from functions.local.details import DOMAIN, details_of

#: The seller's people.
REPS = tuple(f"{name}@{DOMAIN}" for name in ("maya.okafor", "tomas.vega", "priya.nair", "erik.lund", "lena.brandt"))

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


def _account(written: Mapping[str, Any]) -> Account:
    return Account(**{**written, "steps": [Step(*step) for step in written["steps"]]})


#: A step is written as its kind, times, first and last day.
ACCOUNTS: Sequence[Account] = tuple(
    map(_account, json.loads(Path(__file__).with_name("accounts.json").read_text("utf-8")))
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
    metadata = details_of(kind, random)
    if person is not None:
        metadata["contactName"] = person.name
    return _Draft(at, kind, account_id, person, rep, metadata)


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
