"""What a search is: the document of one signal, the question and the answer, whatever answers it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from unicodedata import normalize

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

#: Characters of a word that count. At four bytes each it fits an index term of either engine.
MAX_WORD = 255
#: Characters of a text that are indexed; PostgreSQL takes 1 MiB of words a document, four bytes a character.
MAX_TEXT = 100_000
#: Distinct words of a question that are looked up; Elasticsearch promises no more than 1,024 clauses.
MAX_TERMS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalDocument:
    """One signal as it is searched for.

    Args:
        row: the signal as the API shows it (contract section 4), JSON types only.
        text: the words it is found by, already normalised with :func:`words`.
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
    """

    tenant_id: str
    words: Sequence[str] = ()
    filters: Mapping[str, str] = field(default_factory=dict)
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 20
    after: tuple[datetime, str] | None = None

    def __post_init__(self) -> None:
        unknown = set(self.filters) - set(FILTERS.values())
        if unknown:
            raise ValueError(f"no filter is called {', '.join(sorted(unknown))}")

    @property
    def terms(self) -> tuple[str, ...]:
        """The distinct words to look up, at most :data:`MAX_TERMS`, whatever the question held."""
        return tuple(dict.fromkeys(words(" ".join(self.words))))[:MAX_TERMS]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One document found: its row, and its text with ``<em>`` around the words that matched."""

    row: Mapping[str, Any]
    highlight: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What was counted over everything that matches, on all pages.

    Args:
        facets: field -> value -> count, for each of :data:`FACETS`.
        days: ``YYYY-MM-DD`` (UTC) -> count, days without signals left out.
    """

    total: int
    facets: Mapping[str, Mapping[str, int]]
    days: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchAnswer:
    """A page of hits, newest first, with counts over all that matched.

    Args:
        total: how many documents match, over all pages.
        facets: field -> value -> count.
        days: ``YYYY-MM-DD`` (UTC) -> count, days without signals left out.
        next: what to pass as ``after`` for the next page; None on the last one.
    """

    hits: Sequence[Hit]
    total: int
    facets: Mapping[str, Mapping[str, int]]
    days: Mapping[str, int]
    next: tuple[datetime, str] | None

    @classmethod
    def of(cls, query: SearchQuery, found: Sequence[SignalDocument], counts: Counts) -> SearchAnswer:
        """Make the answer from the documents ``found``, newest first.

        Args:
            found: up to one more than the page holds: that one tells that there is a next page.
        """
        page, terms = found[: query.limit], frozenset(query.terms)
        return cls(
            hits=[Hit(row=each.row, highlight=highlight(each.text, terms)) for each in page],
            total=counts.total,
            facets=counts.facets,
            days=counts.days,
            next=(page[-1].timestamp, page[-1].id) if len(found) > query.limit else None,
        )


def words(text: str) -> list[str]:
    """Split ``text`` into folded words the same way for documents and questions.

    Letters and digits make words, everything else parts them, so ``jane@acme-corp.io`` is found by
    ``acme``. Case and the ways to encode one character make no difference. Done here, so that both
    search engines index and ask for the same words.
    """
    # casefold, not lower: lower() makes a final sigma of some and leaves the sharp s.
    folded = normalize("NFKC", normalize("NFKC", text).casefold())[:MAX_TEXT]
    return [word[:MAX_WORD] for word in "".join(c if c.isalnum() else " " for c in folded).split()]


def highlight(text: str, terms: frozenset[str]) -> str:
    """Mark each of ``terms`` in ``text``. Safe to show as HTML: a normalised text has only words."""
    return " ".join(f"<em>{word}</em>" if word in terms else word for word in text.split())
