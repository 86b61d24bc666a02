"""Which search engine answers: Elasticsearch where one is configured, else PostgreSQL."""

from __future__ import annotations

from events.settings import Settings
from functions.ports import SearchIndex


def search_index(told: Settings) -> SearchIndex:
    """Give the search index of this installation. Only the client that is used is imported: it is start-up time."""
    if told.elasticsearch_url:
        from functions.adapters.elasticsearch.search import ElasticsearchIndex

        return ElasticsearchIndex(told.elasticsearch_url)
    from functions.adapters.postgres.database import Database
    from functions.adapters.postgres.search import PostgresSearchIndex

    return PostgresSearchIndex(Database(told.database_url))
