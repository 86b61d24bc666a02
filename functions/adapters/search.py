"""Which search engine answers: Elasticsearch where one is configured, else PostgreSQL."""

from __future__ import annotations

from events.settings import SearchSettings
from functions.adapters.postgres.database import Database
from functions.adapters.postgres.search import PostgresSearchIndex
from functions.ports import SearchIndex


def search_index(settings: SearchSettings, database: Database) -> SearchIndex:
    """Return the search index of this installation. Elasticsearch's client is imported where it is used: 0.2 s."""
    if settings.elasticsearch_url:
        from functions.adapters.elasticsearch.search import ElasticsearchIndex

        return ElasticsearchIndex(settings.elasticsearch_url)
    return PostgresSearchIndex(database)
