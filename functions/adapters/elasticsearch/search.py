"""The search index on Elasticsearch. No other package speaks to it.

Only what every distribution has is used: strict mappings, keyword fields, bulk and plain aggregations.
Words come here normalised, so they are indexed as exact terms and need no analyzer. The client checks
the product by a header of each answer; nothing asks ``GET /``.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from elasticsearch import (
    ApiError,
    BadRequestError,
    Elasticsearch,
    SerializationError,
    TransportError,
    helpers,
)

from events.errors import ConfigError, Unavailable
from functions.adapters.elasticsearch.outage import Outage
from functions.domain.insight import SIGNAL
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
from functions.domain.words import terms

#: Seconds one request may take; a function that waits for it has 40.
TIMEOUT_S = 10.0
#: Seconds a ping may take: who asks for /health and /ready waits for it, and for the other stores as well.
PING_TIMEOUT_S = 2.0
#: Bytes of one bulk request; servers refuse 100 MB.
BULK_BYTES = 10_000_000
#: What is read and written; the index behind it has a name of its own.
ALIAS = "sspp-signals"
#: Statuses that the same request gets again for ever: it is malformed or too large.
PERMANENT = frozenset({400, 413})

#: ``ignore_above`` keeps a value too long for a term from failing its document; it is not found by it.
_KEYWORD = {"type": "keyword", "ignore_above": 8191}
MAPPINGS: Mapping[str, Any] = {
    "dynamic": "strict",
    # A tenant's documents share a shard: a search asks one, and the counts of facets are exact.
    "_routing": {"required": True},
    "properties": {
        "tenant_id": {"type": "keyword"},
        "id": {"type": "keyword"},
        "timestamp": {"type": "date"},
        # Microseconds since 1970, exact where the type date keeps milliseconds: order, borders, cursors.
        "micros": {"type": "long"},
        "words": {"type": "keyword"},
        "text": {"type": "keyword", "index": False, "doc_values": False},
        "row": {"type": "object", "enabled": False},
        **dict.fromkeys(FILTERS.values(), _KEYWORD),
    },
}

# The client logs a trace for each try of each request; that it is away is ours to say, see outage.py.
logging.getLogger("elastic_transport").setLevel(logging.ERROR)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class ElasticsearchIndex:
    """See :class:`functions.ports.SearchCopy`. Connects when first asked.

    Args:
        url: ``https://user:password@host:9200``.
        alias: what is read and written; the index behind it is made when it is missing.
        timeout_s: seconds one request may take.

    Raises:
        ConfigError: the URL is unusable.
    """

    def __init__(self, url: str, *, alias: str = ALIAS, timeout_s: float = TIMEOUT_S) -> None:
        self._alias = alias
        self._made = False
        self._outage = Outage()
        try:
            # One more try covers a kept connection that the server closed. Waiting is the caller's part.
            self._client = Elasticsearch(url, request_timeout=timeout_s, max_retries=1, retry_on_status=())
        except ValueError:  # its text quotes the URL, password and all
            raise ConfigError("ELASTICSEARCH_URL must be like https://user:password@host:9200") from None

    def put(self, documents: Sequence[SignalDocument]) -> None:
        """See SearchCopy."""
        with self._index() as client:
            outcomes = helpers.streaming_bulk(
                client,
                [_action(document) for document in documents],
                max_chunk_bytes=BULK_BYTES,
                raise_on_error=False,
                index=self._alias,
                # Without it a bulk request after the loss of the index makes one with a guessed mapping.
                require_alias=True,
                # About 15 ms a batch; "wait_for" sleeps for the next refresh, a second away (measured).
                refresh=True,
            )
            self._settle([item["index"] for stored, item in outcomes if not stored])

    def has(self, tenant_id: str, signal_id: UUID) -> bool:
        """See SearchIndex."""
        conditions = [_term("tenant_id", tenant_id), _term("id", str(signal_id))]
        return bool(self._ask(tenant_id, conditions, size=1)["hits"]["hits"])

    def search(self, query: SearchQuery) -> SearchAnswer:
        """See SearchIndex."""
        after = {"search_after": [_micros(query.after[0]), query.after[1]]} if query.after else {}
        answer = self._ask(
            query.tenant_id,
            _conditions(query),
            size=query.limit + 1,
            sort=[{"micros": "desc"}, {"id": "desc"}],
            aggregations=_AGGREGATIONS if query.facets else {},
            track_total_hits=MOST_COUNTED,
            **after,
        )
        found = [_document(hit["_source"]) for hit in answer["hits"]["hits"]]
        page = found[: query.limit]
        return SearchAnswer(
            hits=[Hit.of(each, query.terms) for each in page],
            counts=_counts(answer),
            next=(page[-1].timestamp, page[-1].id) if len(found) > query.limit else None,
        )

    def ping(self) -> None:
        """See SearchIndex."""
        with self._errors():
            self._client.options(request_timeout=PING_TIMEOUT_S, max_retries=0).cluster.health()

    def close(self) -> None:
        """Close every connection."""
        self._client.close()

    def _ask(self, tenant_id: str, conditions: Sequence[Mapping[str, Any]], **body: Any) -> Mapping[str, Any]:
        with self._index() as client:
            answer: Mapping[str, Any] = client.search(
                index=self._alias,
                routing=tenant_id,
                query={"bool": {"filter": conditions}},
                # Half an answer looks like a whole one; no answer is tried again.
                allow_partial_search_results=False,
                **body,
            ).body
            return answer

    @contextmanager
    def _index(self) -> Iterator[Elasticsearch]:
        """Return the client once the index is there."""
        with self._errors():
            if not self._made:
                self._make()
            yield self._client

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Translate the client's errors by consequence."""
        try:
            yield
            self._outage.ends()
        except SerializationError:
            raise  # a document that is no JSON will not become it
        except ApiError as exc:
            if exc.status_code in PERMANENT:
                raise
            self._look_again_after(exc.status_code)
            self._outage.lasts(f"status {exc.status_code}")
            raise Unavailable("Elasticsearch") from exc
        except TransportError as exc:
            self._outage.lasts(type(exc).__name__)
            raise Unavailable("Elasticsearch") from exc

    def _make(self) -> None:
        """Make the index with its alias in one step; one that an earlier version made gets the fields it lacks."""
        if self._client.indices.exists_alias(name=self._alias):
            self._client.indices.put_mapping(index=self._alias, properties=MAPPINGS["properties"])
        else:
            try:
                self._client.indices.create(index=f"{self._alias}-v1", mappings=MAPPINGS, aliases={self._alias: {}})
            except BadRequestError as exc:
                if exc.error != "resource_already_exists_exception":  # another process was first
                    raise
        self._made = True

    def _settle(self, failures: Sequence[Mapping[str, Any]]) -> None:
        """Raise for ``failures`` of a bulk request, those that pass before those that never will."""
        passing = [item for item in failures if item["status"] not in PERMANENT]
        if passing:
            self._look_again_after(*(item["status"] for item in passing))
            raise Unavailable("Elasticsearch")
        if failures:
            kinds = ", ".join(sorted({item["error"]["type"] for item in failures}))
            raise ValueError(f"Elasticsearch can never store {len(failures)} of the documents: {kinds}")

    def _look_again_after(self, *statuses: int) -> None:
        """Make the index again before the next request when it was not there for this one."""
        if 404 in statuses:
            self._made = False


def _action(document: SignalDocument) -> dict[str, Any]:
    row = document.row
    source = {
        "tenant_id": document.tenant_id,
        "id": document.id,
        "timestamp": document.timestamp.astimezone(UTC).isoformat(),
        "micros": _micros(document.timestamp),
        "words": list(terms(document.text)),
        "text": document.text,
        "row": row,
        **{name: row[name] for name in FILTERS.values() if row.get(name) is not None},
    }
    return {"_id": f"{document.tenant_id}:{document.id}", "routing": document.tenant_id, "_source": source}


def _document(source: Mapping[str, Any]) -> SignalDocument:
    return SignalDocument(
        tenant_id=source["tenant_id"],
        id=source["id"],
        timestamp=_EPOCH + source["micros"] * _MICROSECOND,
        row=source["row"],
        text=source.get("text") or " ".join(source["words"]),  # an earlier version kept the words alone
    )


def _conditions(query: SearchQuery) -> list[dict[str, Any]]:
    """Everything that must hold, the tenant first. Filters score nothing, so nothing is scored."""
    borders = {"gte": query.since, "lt": query.until}
    return [
        _term("tenant_id", query.tenant_id),
        *(_term("words", word) for word in query.terms),
        *(_term(name, value) for name, value in query.filters.items()),
        *([] if {"signal_type", "event_type"} & query.filters.keys() else [_NO_INSIGHTS]),
        {"range": {"micros": {name: _micros(at) for name, at in borders.items() if at is not None}}},
    ]


#: Insights are no events: only who asks for a type of theirs gets them.
_NO_INSIGHTS = {"bool": {"must_not": [{"term": {"signal_type": SIGNAL}}]}}


def _term(name: str, value: str) -> dict[str, Any]:
    return {"term": {name: value}}


def _micros(at: datetime) -> int:
    """Microseconds since 1970, exact."""
    return (at - _EPOCH) // _MICROSECOND


_AGGREGATIONS: Mapping[str, Any] = {
    **{name: {"terms": {"field": name, "size": FACET_VALUES}} for name in FACETS},
    "days": {
        "date_histogram": {
            "field": "timestamp",
            "calendar_interval": "day",
            "format": "yyyy-MM-dd",
            "min_doc_count": 1,
        }
    },
}


def _counts(answer: Mapping[str, Any]) -> Counts:
    counted = answer.get("aggregations", {})
    buckets = {name: counted.get(name, {}).get("buckets", ()) for name in (*FACETS, "days")}
    total = answer["hits"]["total"]
    return Counts(
        total=total["value"],
        at_least=total["relation"] != "eq",
        facets={name: {each["key"]: each["doc_count"] for each in buckets[name]} for name in FACETS},
        days={each["key_as_string"]: each["doc_count"] for each in buckets["days"]},
    )
