"""What a search is: the document of one signal, the question and the answer, whatever answers it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from functions.domain.words import asked, highlight

#: What a filter may name: the API's parameter -> the document's field.
FILTERS: Mapping[str, str] = {
    "accountId": "account_id",
    "userId": "user_id",
    "contactId": "contact_id",
    "eventType": "event_type",
    "signalType": "signal_type",
}
#: Counted for every answer: the ten most frequent values of each.
FACETS: Sequence[str] = ("signal_type", "event_type", "account_id")
#: How many values a facet counts; those that occur most, then by value.
FACET_VALUES = 10
#: Hits that are counted; of more it is said that there are at least so many.
MOST_COUNTED = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalDocument:
    """One signal as it is searched for.

    Args:
        row: the signal as the API shows it (contract section 4), JSON types only.
        text: the words it is found by: :mod:`functions.domain.searchable`.
    """

    tenant_id: str
    id: str
    timestamp: datetime
    row: Mapping[str, Any]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchQuery:
    """A question within one tenant. All ``words`` must occur; all ``filters`` must match.

    Args:
        filters: document field -> exact value.
        since: signals at or after it; ``until``: signals before it.
        limit: documents a page, 1-100.
        after: the ``(timestamp, id)`` of the last document of the page before.
        facets: whether values and days are to be counted.
    """

    tenant_id: str
    words: Sequence[str] = ()
    filters: Mapping[str, str] = field(default_factory=dict)
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 20
    after: tuple[datetime, str] | None = None
    facets: bool = True

    def __post_init__(self) -> None:
        unknown = set(self.filters) - set(FILTERS.values())
        if unknown:
            raise ValueError(f"no filter is called {', '.join(sorted(unknown))}")

    @property
    def terms(self) -> list[str]:
        """The distinct terms to look up, at most :data:`functions.domain.words.MAX_TERMS`."""
        return asked(" ".join(self.words))


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One document found: its row, and its text with ``<em>`` around the words that matched."""

    row: Mapping[str, Any]
    highlight: str

    @classmethod
    def of(cls, document: SignalDocument, terms: Iterable[str]) -> Hit:
        """Show a document that was found by ``terms``."""
        return cls(row=document.row, highlight=highlight(document.text, frozenset(terms)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What was counted over everything that matches, on all pages.

    Args:
        total: how many documents match, up to :data:`MOST_COUNTED`.
        at_least: there are more.
        facets: field -> value -> count, for each of :data:`FACETS`. Where there are more than :data:`MOST_COUNTED`, an
            engine may count some of the newest only.
        days: ``YYYY-MM-DD`` (UTC) -> count, days without signals left out; of the same documents.
    """

    total: int
    at_least: bool
    facets: Mapping[str, Mapping[str, int]]
    days: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchAnswer:
    """A page of hits, newest first, with counts over all that matched.

    Args:
        next: what to pass as ``after`` for the next page; None on the last one.
    """

    hits: Sequence[Hit]
    counts: Counts
    next: tuple[datetime, str] | None
