"""Search: signals by the words of their events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from events.errors import Fault, Refused
from functions.adapters.postgres.pages import Utc
from functions.api import examples
from functions.api.backends import Backends
from functions.api.paging import Cursor, Limit, NextCursor, read_cursor, write_cursor
from functions.api.parameters import Filters
from functions.api.routes import Resource
from functions.api.shown import Shown
from functions.api.signals import SignalRow
from functions.domain.name import Text
from functions.domain.search import FILTERS, MOST_COUNTED, Hit, SearchQuery
from functions.domain.words import words

Counted = dict[str, int]
#: How a signal stands that only the index has.
_COUNTED = {"standing": "counted", "left_out": []}


class SignalSearch(Filters):
    """What to search for."""

    q: Annotated[Text, Field(description="Words that must all occur. All signals if absent.")] = ""
    limit: Limit = 20
    facets: Annotated[
        bool, Field(description="Whether to count values and days: without, an answer comes sooner.")
    ] = True
    cursor: Cursor = None


class Found(SignalRow):
    """A signal that was found."""

    # An index may hold rows that an older version wrote.
    model_config = ConfigDict(extra="ignore")

    highlight: Annotated[str, Field(description="The words it is found by, with `<em>` around those asked for.")]


class DayCount(Shown):
    """The signals of one day."""

    date: Annotated[str, Field(json_schema_extra={"format": "date"}, description="In UTC.")]
    count: int


class SearchPage(Shown):
    """One page of what was found, with counts over all pages."""

    data: list[Found]
    total: Annotated[int, Field(ge=0, le=MOST_COUNTED, description="Signals on all pages, up to 10,000.")]
    total_is: Annotated[Literal["exact", "at least"], Field(description="`at least`: there are more than 10,000.")]
    facets: Annotated[
        dict[str, Counted],
        Field(
            description="Field -> value -> signals, the ten most frequent. Where there are more than 10,000 signals,"
            " some of the newest are counted."
        ),
    ]
    date_histogram: Annotated[list[DayCount], Field(description="Of the same signals. Days without any are left out.")]
    next_cursor: NextCursor


resource = Resource("search", "Signals by the words of their events.")


@resource.route("GET", "/api/v1/signals/search", example=examples.SEARCH)
def search_signals(backends: Backends, tenant: str, *, query: SignalSearch) -> SearchPage:
    """Search signals by words and filters, with facets and days."""
    sought = words(query.q)
    if query.q.strip() and not sought:
        raise Refused("Bad request", faults=(Fault("/q", "has no letter and no digit to look for"),))
    named = backends.reader.resolved(tenant, {column: getattr(query, name) for name, column in FILTERS.items()})
    answer = backends.search.search(
        SearchQuery(
            tenant_id=tenant,
            words=sought,
            filters={column: value for column, value in named.items() if value is not None},
            since=query.since,
            until=query.until,
            limit=query.limit,
            after=None if query.cursor is None else read_cursor(query.cursor, query, tenant, tuple[Utc, str]),
            facets=query.facets,
        )
    )
    counts = answer.counts
    stand = backends.reader.stand(tenant, [hit.row["id"] for hit in answer.hits])
    return SearchPage(
        data=[_found(hit, stand.get(hit.row["id"], _COUNTED)) for hit in answer.hits],
        total=counts.total,
        total_is="at least" if counts.at_least else "exact",
        facets={name: dict(values) for name, values in counts.facets.items()},
        date_histogram=[DayCount(date=day, count=count) for day, count in sorted(counts.days.items())],
        next_cursor=None if answer.next is None else write_cursor(query, tenant, answer.next),
    )


def _found(hit: Hit, stands: Mapping[str, Any]) -> Found:
    return Found(**{**hit.row, **stands, "highlight": hit.highlight})
