"""Events: where each one is on its way, and what it led to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from functions.api import dead_letters, examples
from functions.api.backends import Backends
from functions.api.dead_letters import Burial
from functions.api.front_door import Publish
from functions.api.notifications import Notice
from functions.api.parameters import Question, missing
from functions.api.routes import Resource
from functions.api.shown import Id, Shown, Stored, Time
from functions.api.signals import Signal
from functions.domain.catalog import EVENT_RETRACTED
from functions.domain.key import WRITE_EVENTS
from functions.domain.name import Text
from functions.domain.signal import instant
from functions.service.principal import Principal


class RuleMatched(Shown):
    """A rule that an event set off."""

    rule_id: Id
    rule_version: int | None
    title: str


class EventStatus(Shown):
    """Where an event is. What is not known yet is null."""

    id: Id
    status: Annotated[
        Literal["accepted", "processed", "dead"], Field(description="`accepted`: it waits to be processed.")
    ]
    source: str | None = None
    source_id: Annotated[str | None, Field(description="The sender's id of it.")] = None
    received_at: Time | None = None
    delivered: bool = False
    attempts: Annotated[int | None, Field(description="Deliveries that failed, of a dead event.")] = None
    processed_at: Time | None = None
    signal: Signal | None = None
    rules_matched: Sequence[RuleMatched] = ()
    notices: Sequence[Notice] = ()
    indexed: Annotated[bool, Field(description="Whether it can be searched.")] = False
    dead_letter: Burial | None = None


resource = Resource("events", "Where each event is on its way.")


@resource.route("GET", "/api/v1/events/{id}", example=examples.EVENT_STATUS)
def get_event(backends: Backends, by: Principal, *, id_: UUID) -> EventStatus:
    """Return where an event is: received, processed or dead, what it meant, what it led to, whether it is indexed."""
    signal = backends.reader.signal(by.tenant, id_)
    if signal is None:
        return _unprocessed(backends, by, id_)
    notices = [Notice(**row) for row in backends.reader.notices_of(by.tenant, id_)]
    return EventStatus(
        id=str(id_),
        status="processed",
        source=signal.pop("source"),
        source_id=signal.pop("source_id"),
        received_at=signal.pop("received_at"),
        delivered=True,
        processed_at=signal["processed_at"],
        signal=Signal(**signal),
        rules_matched=[
            RuleMatched(rule_id=notice.rule_id, rule_version=notice.rule_version, title=notice.title)
            for notice in notices
            if notice.rule_id is not None
        ],
        notices=notices,
        indexed=backends.search.has(by.tenant, id_),
    )


class Retraction(Question):
    """Why an event is taken back."""

    reason: Annotated[Text | None, Field(max_length=300, description="Shown with its signal.")] = None


@resource.route("DELETE", "/api/v1/events/{id}", scope=WRITE_EVENTS, example=examples.RETRACT, refuses={422})
def retract_event(backends: Backends, by: Principal, *, id_: UUID, query: Retraction, publish: Publish) -> Stored:
    """Take an event back: its points are subtracted, and its signal stays, marked.

    It publishes the event `io.sspp.event.retracted`, whose id it answers with. The event that is taken back may still
    wait to be processed. A retraction itself cannot be taken back.
    """
    signal = backends.reader.signal(by.tenant, id_)
    if signal is None:
        _unprocessed(backends, by, id_)
    about = {"accountId": signal["account_id"]} if signal else {}
    why = {"reason": query.reason} if query.reason else {}
    said = {**about, "eventId": str(id_), "by": f"key {by.who}", **why}
    published = publish(EVENT_RETRACTED.type, said)
    return Stored(status="accepted", id=published.id, duplicate=published.duplicate)


def _unprocessed(backends: Backends, by: Principal, id_: UUID) -> EventStatus:
    """Return where an event is that is no signal: it waits, or it is a dead letter."""
    if dead := dead_letters.of_event(backends, by, id_):
        return EventStatus(id=str(id_), status="dead", **dead)
    accepted_at = backends.accepted_at(by.tenant, id_)
    if accepted_at is None:
        raise missing("event")
    return EventStatus(id=str(id_), status="accepted", received_at=instant(accepted_at))
