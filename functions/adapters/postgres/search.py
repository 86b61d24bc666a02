"""Search on PostgreSQL, in the signals themselves. Its statements are in ``sql/search.sql``.

Rows hold hashes of their terms, and two ways lead to those that are asked for: a walk over the newest signals, which
soon ends where many are hits, and the index on the hashes, which is short where few are. It is decided here which.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple
from uuid import UUID

from functions.adapters.postgres import recorded_signals
from functions.adapters.postgres.database import Database, Row, Transaction
from functions.domain.search import (
    FACET_VALUES,
    FACETS,
    FILTERS,
    MOST_COUNTED,
    Counts,
    Hit,
    SearchAnswer,
    SearchQuery,
    SignalDocument,
)
from functions.domain.words import asked, hashes, terms

#: Signals walked to see how frequent hits are, about 4 ms; each further walk for a page is so many times as long.
NEAR, FURTHER = 2_000, 8
#: From this share of hits on, counts are made by a walk: the index would have very many.
DENSE = 0.4
#: Signals walked for counts: enough where hits are dense, and a sample of them where the index has too many.
DENSE_WALK, SAMPLE_WALK = 25_000, 5_000


class PostgresSearchIndex:
    """See :class:`functions.ports.SearchIndex`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def has(self, tenant_id: str, signal_id: UUID) -> bool:
        """See SearchIndex."""
        with self._database.transaction(tenant=tenant_id) as tx:
            [found] = tx.rows("search_has", tenant_id=tenant_id, id=signal_id)
        return bool(found["found"])

    def search(self, query: SearchQuery) -> SearchAnswer:
        """See SearchIndex."""
        with self._database.transaction(tenant=query.tenant_id) as tx:
            tx.rows("walk_along_indexes")
            return _Search(tx, query).answer()

    def ping(self) -> None:
        """See SearchIndex."""
        self._database.ping()


class _Counted(NamedTuple):
    """Counts, and the ids of the page and one more, where all hits are counted."""

    counts: Counts
    ids: Sequence[UUID] | None = None


class _Search:
    """One question, in one transaction."""

    def __init__(self, tx: Transaction, query: SearchQuery) -> None:
        self._tx = tx
        self._query = query
        # The words of a name are among those of the signals that have it, so a filter is looked up like a word.
        sought = dict.fromkeys([*query.terms, *asked(" ".join(query.filters.values()))])
        self._has_words = bool(sought)
        after, after_id = query.after or (None, None)
        self._matching: Mapping[str, object] = {
            "tenant_id": query.tenant_id,
            "asked": f"{{{','.join(map(str, hashes(query.tenant_id, sought)))}}}",
            "since": query.since,
            "until": query.until,
            "after_timestamp": after,
            "after_id": after_id,
            "limit": query.limit + 1,
            **dict.fromkeys(FILTERS.values()),
            **{name: _storable(value) for name, value in query.filters.items()},
        }

    def answer(self) -> SearchAnswer:
        """Find the page and count, each the short way."""
        near = self._walk(NEAR)
        counted = self._counted(near)
        ids = self._further(near) if counted.ids is None else counted.ids
        page = list(self._documents(ids[: self._query.limit]))
        # A signal of the same hashes and other words is no hit.
        hits = [each for each in page if terms(each.text).keys() >= set(self._query.terms)]
        return SearchAnswer(
            hits=[Hit.of(each, self._query.terms) for each in hits],
            counts=replace(counted.counts, total=counted.counts.total - len(page) + len(hits)),
            next=(page[-1].timestamp, page[-1].id) if len(ids) > self._query.limit else None,
        )

    def _walk(self, most: int, **after: object) -> Row:
        [walked] = self._tx.rows("search_newest", **{**self._matching, **after}, walk=most)
        return walked

    def _further(self, walked: Row) -> Sequence[UUID]:
        """Walk on, further each time, until the page is full or nothing is left."""
        ids, most = list(walked["ids"]), NEAR
        while len(ids) <= self._query.limit and walked["walked"] == most:
            most *= FURTHER
            walked = self._walk(most, after_timestamp=walked["last_timestamp"], after_id=walked["last_id"])
            ids += walked["ids"]
        return ids[: self._query.limit + 1]

    def _counted(self, near: Row) -> _Counted:
        all_walked = near["walked"] < NEAR and self._query.after is None
        if all_walked or not self._has_words:
            return self._counts(walk=NEAR if all_walked else None)
        # A small tenant's signals lie one a page: the index leads to fewer of them, and in the order of the pages.
        if near["hits"] >= DENSE * near["walked"] and near["pages"] <= near["walked"]:
            dense = self._counts(walk=DENSE_WALK)
            if dense.counts.at_least:
                return dense
        indexed = self._counts(indexed=MOST_COUNTED + 1)
        if not indexed.counts.at_least:
            return indexed
        sample = self._counts(walk=SAMPLE_WALK).counts
        return _Counted(replace(sample, total=MOST_COUNTED, at_least=True))

    def _counts(self, *, walk: int | None = 0, indexed: int = 0) -> _Counted:
        """Count the hits among the newest signals, all where ``walk`` is None, or those that the index has."""
        rows = self._tx.rows(
            "search_counts",
            **self._matching,
            walk=walk,
            indexed=indexed,
            most=MOST_COUNTED,
            facets=self._query.facets,
            facet_values=FACET_VALUES,
        )
        found: dict[str, dict[str, int]] = {}
        for row in rows:
            found.setdefault(row["what"], {})[row["value"]] = row["count"]
        total = found["total"][""]
        counts = Counts(
            total=min(total, MOST_COUNTED),
            at_least=total > MOST_COUNTED,
            facets={name: found.get(name, {}) for name in FACETS},
            days=found.get("day", {}),
        )
        return _Counted(counts, None if counts.at_least else [UUID(id_) for id_ in found.get("page", ())])

    def _documents(self, ids: Sequence[UUID]) -> Iterator[SignalDocument]:
        for signals in recorded_signals.read(
            [(self._query.tenant_id, id_) for id_ in ids], partial(recorded_signals.read_slice, self._tx)
        ):
            yield from (signal.document for signal in signals)


def _storable(value: str) -> str:
    """Replace what PostgreSQL text cannot hold, and so cannot be equal to either: NUL and lone surrogates."""
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode("utf-8")
