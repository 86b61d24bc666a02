"""Makes signals searchable."""
