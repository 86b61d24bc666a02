"""Which search engine answers: Elasticsearch where one is configured, else PostgreSQL."""

from __future__ import annotations

from events.shared_settings import SearchSettings
from functions.adapters.postgres.database import Database
from functions.adapters.postgres.search import PostgresSearchIndex
from functions.ports import SearchCopy, SearchIndex


def search_index(settings: SearchSettings, database: Database) -> SearchIndex:
    """Return what searches in this installation."""
    return search_copy(settings) if settings.elasticsearch_url else PostgresSearchIndex(database)


def search_copy(settings: SearchSettings) -> SearchCopy:
    """Return the copy in Elasticsearch. Its client is imported where it is used: 0.2 s."""
    from functions.adapters.elasticsearch.search import ElasticsearchIndex

    return ElasticsearchIndex(settings.elasticsearch_url)
