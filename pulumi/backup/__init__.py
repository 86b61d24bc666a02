"""Backups of PostgreSQL and Redis: the Jobs, and the scripts they run."""
