"""Elasticsearch: a copy of the signals that can be rebuilt at any time."""
