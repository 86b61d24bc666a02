"""Events: where each one is on its way, and what it led to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from functions.api import dead_letters, examples
from functions.api.backends import Backends
from functions.api.dead_letters import Burial
from functions.api.notifications import Notice
from functions.api.parameters import missing
from functions.api.routes import Resource
from functions.api.shown import Id, Shown, Time
from functions.api.signals import Signal
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


def _unprocessed(backends: Backends, by: Principal, id_: UUID) -> EventStatus:
    """Return where an event is that is no signal: it waits, or it is a dead letter."""
    if dead := dead_letters.of_event(backends, by, id_):
        return EventStatus(id=str(id_), status="dead", **dead)
    accepted_at = backends.accepted_at(by.tenant, id_)
    if accepted_at is None:
        raise missing("event")
    return EventStatus(id=str(id_), status="accepted", received_at=instant(accepted_at))
