"""The SQL with one condition broken at a time: `make mutants-sql`."""
