"""Notifications: the notices that rules and limits led to, and every attempt to send them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from functions.adapters.postgres.pages import Place
from functions.api import examples
from functions.api.backends import Backends
from functions.api.paging import NextCursor, Pagination, Paging
from functions.api.routes import Resource
from functions.api.shown import Id, Shown, Time


class Delivery(Shown):
    """One attempt to send a notice."""

    attempt: int
    at: Time
    channel: str
    recipient: str
    delivered: bool
    answer: Annotated[str, Field(description="The provider's.")]


class Notice(Shown):
    """A message that is, or was, to be sent."""

    id: Id
    kind: Annotated[str, Field(description="`rule`, `quota` or `digest`.")]
    title: str
    rule_id: Annotated[Id | None, Field(description="Null where no rule led to it.")]
    rule_version: int | None
    account_id: str | None
    episode: int | None
    event_id: Annotated[Id | None, Field(description="The event that set it off; null where no single one did.")]
    engagement: Annotated[float | None, Field(description="Of the account, when the rule matched.")]
    created_at: Time
    sent_at: Time | None
    recipient: str | None
    next_attempt_at: Time | None
    digest_id: Annotated[Id | None, Field(description="The notice that sums this one up.")]
    state: Literal["summed up", "sent", "suppressed", "failed", "sending", "dead", "pending"]
    deliveries: list[Delivery]


class NoticePage(Shown):
    """One page of notices."""

    data: list[Notice]
    pagination: Pagination
    next_cursor: NextCursor


resource = Resource("notifications", "Notices and their deliveries.")


@resource.route("GET", "/api/v1/notifications", example=examples.NOTIFICATIONS)
def list_notifications(backends: Backends, tenant: str, *, query: Paging) -> NoticePage:
    """List notices, the newest first, each with every attempt to send it."""
    page = query.rows(tenant, Place)
    listed = backends.reader.notices(tenant, page)
    return NoticePage(
        data=[Notice(**row) for row in listed.rows],
        **query.standing(tenant, page, listed),
    )
