"""Which search engine answers: Elasticsearch where one is configured, else PostgreSQL."""

from __future__ import annotations

from events.errors import ConfigError
from events.settings import Settings
from functions.ports import SearchIndex


def search_index(told: Settings) -> SearchIndex:
    """Give the search index of this installation. Only the client that is used is imported: it is start-up time.

    Raises:
        ConfigError: neither is configured.
    """
    if told.elasticsearch_url:
        from functions.adapters.elasticsearch.search import ElasticsearchIndex

        return ElasticsearchIndex(told.elasticsearch_url)
    if not told.database_url:
        raise ConfigError("ELASTICSEARCH_URL or DATABASE_URL is required")
    from functions.adapters.postgres.database import Database
    from functions.adapters.postgres.search import PostgresSearchIndex

    return PostgresSearchIndex(Database(told.database_url))
