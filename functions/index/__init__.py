"""Makes signals searchable in Elasticsearch."""
