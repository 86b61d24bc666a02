-- Every statement runs by itself, outside a transaction, and does not stop writers; see 0015_lists.sql.

-- What is new waits in a list that every search reads: 1 ms for these 4 MB. A shorter one costs an event more log.
DROP INDEX CONCURRENTLY IF EXISTS signals_words;
CREATE INDEX CONCURRENTLY signals_words ON signals USING gin (words)
  WITH (fastupdate = on, gin_pending_list_limit = 4096) WHERE words <> '{}';

-- The signals that the clock has still to look at: those of earlier versions.
DROP INDEX CONCURRENTLY IF EXISTS signals_without_words;
CREATE INDEX CONCURRENTLY signals_without_words ON signals (processed_at) WHERE words IS NULL;

-- The signals that signals_words does not have. Where there is none of a tenant, the list of a rare filter is complete
-- without a look at the others. In an installation that searches here it is empty.
DROP INDEX CONCURRENTLY IF EXISTS signals_wordless;
CREATE INDEX CONCURRENTLY signals_wordless ON signals (tenant_id) WHERE words IS NULL OR words = '{}';
