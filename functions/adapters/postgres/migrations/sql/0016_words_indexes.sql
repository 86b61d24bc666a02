-- Every statement runs by itself, outside a transaction, and does not stop writers; see 0015_lists.sql.

-- What is new waits in a list that every search reads: 1 ms for these 4 MB. A shorter one costs an event more log.
DROP INDEX CONCURRENTLY IF EXISTS signals_words;
CREATE INDEX CONCURRENTLY signals_words ON signals USING gin (words)
  WITH (fastupdate = on, gin_pending_list_limit = 4096) WHERE words <> '{}';

-- The signals that the clock has still to look at: those of earlier versions.
DROP INDEX CONCURRENTLY IF EXISTS signals_without_words;
CREATE INDEX CONCURRENTLY signals_without_words ON signals (processed_at) WHERE words IS NULL;
