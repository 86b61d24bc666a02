"""Insights: what is going on with an account, from when to when, and why."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from functions.adapters.postgres.pages import Place
from functions.api import examples
from functions.api.accounts import found
from functions.api.backends import Backends
from functions.api.insights_shown import Insight
from functions.api.paging import NextCursor, Pagination, Paging
from functions.api.routes import Resource
from functions.api.shown import Shown


class InsightPage(Shown):
    """One page of an account's insights."""

    data: Annotated[list[Insight], Field(description="Those that are open first, then those that ended last.")]
    pagination: Pagination
    next_cursor: NextCursor


resource = Resource("insights", "What is going on with accounts.")


@resource.route("GET", "/api/v1/accounts/{id}/insights", example=examples.INSIGHTS)
def list_insights(backends: Backends, tenant: str, *, query: Paging, id_: str) -> InsightPage:
    """List an account's insights: those that are open, then those that ended last. See docs/insights.md.

    Signals of insights, of all accounts, are listed by `GET /api/v1/signals?signalType=insight`.
    """
    whose = f"{tenant} {id_} insights"
    page, now = query.rows(whose, Place), backends.now()
    _, listed = found(backends, tenant, id_, lambda of: backends.reader.insights(tenant, of, now, page))
    return InsightPage(data=[Insight(**row) for row in listed.rows], **query.standing(whose, page, listed))
