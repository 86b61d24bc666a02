"""The search index on PostgreSQL full-text search. Its statements are in ``sql/search.sql``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from functions.adapters.postgres.database import Database, Row
from functions.domain.search import FACET_VALUES, FACETS, FILTERS, Counts, SearchAnswer, SearchQuery, SignalDocument


class PostgresSearchIndex:
    """See :class:`functions.ports.SearchIndex`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, documents: Sequence[SignalDocument]) -> None:
        """See SearchIndex."""
        # One statement may not change a row twice: of equal ids the last one counts.
        latest = {(document.tenant_id, document.id): document for document in documents}
        with self._database.transaction() as tx:
            tx.rows("search_put", documents=json.dumps([_record(each) for each in latest.values()]))

    def get(self, tenant_id: str, document_id: str) -> dict[str, Any] | None:
        """See SearchIndex."""
        with self._database.transaction(tenant=tenant_id) as tx:
            found = tx.row("search_get", tenant_id=tenant_id, id=_storable(document_id))
        return found["row"] if found else None

    def search(self, query: SearchQuery) -> SearchAnswer:
        """See SearchIndex."""
        matching = {
            "tenant_id": query.tenant_id,
            "asked": _tsquery(query.terms),
            "since": query.since,
            "until": query.until,
            **dict.fromkeys(FILTERS.values()),
            **{name: _storable(value) for name, value in query.filters.items()},
        }
        timestamp, document_id = query.after or (None, "")
        page = {"after_timestamp": timestamp, "after_id": _storable(document_id), "limit": query.limit + 1}
        with self._database.transaction(tenant=query.tenant_id) as tx:
            found = tx.rows("search_page", **matching, **page)
            counted = tx.rows("search_counts", **matching, facet_values=FACET_VALUES)
        return SearchAnswer.of(query, [SignalDocument(**row) for row in found], _counts(counted))

    def ping(self) -> None:
        """See SearchIndex."""
        self._database.ping()


def _record(document: SignalDocument) -> dict[str, Any]:
    return {
        "tenant_id": document.tenant_id,
        "id": document.id,
        "timestamp": document.timestamp.isoformat(),
        "row": document.row,
        "text": document.text,
    }


def _tsquery(terms: Sequence[str]) -> str | None:
    """All of ``terms``, or None for no question. Words hold letters and digits only, so quotes suffice."""
    return " & ".join(f"'{term}'" for term in terms) or None


def _storable(value: str) -> str:
    """Replace what PostgreSQL text cannot hold, and so cannot be equal to either: NUL and lone surrogates."""
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode("utf-8")


def _counts(rows: Sequence[Row]) -> Counts:
    found: dict[str, dict[str, int]] = {}
    for row in rows:
        found.setdefault(row["what"], {})[row["value"]] = row["count"]
    return Counts(
        total=found["total"][""],
        facets={name: found.get(name, {}) for name in FACETS},
        days=found.get("day", {}),
    )
