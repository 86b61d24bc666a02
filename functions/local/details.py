"""What a sender knows of an event beside its kind: subjects, pages, minutes. Made up from a seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

#: The seller: every e-mail, call and demo is about its product.
COMPANY = "Brightdesk"
DOMAIN = "brightdesk.example"

_SUBJECTS = (
    "Routes that plan themselves",
    "Your depot at a glance",
    "How Hartwell cut empty miles by a fifth",
    "Ten minutes this week?",
    "The spring release in two minutes",
    "A question about your fleet",
)
_PAGES = ("/", "/product", "/product/planning", "/customers", "/customers/hartwell", "/security", "/integrations")


def details_of(kind: str, random: Random) -> dict[str, Any]:
    """Draw the metadata of an event of ``kind``, the event type without ``io.sspp.``."""
    return _DETAILS[kind](random)


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
