-- Search reads the signals themselves: a signal has the words it is found by in its own row, and no copy of it is kept.
-- Safe to repeat, because 0016_words_indexes.sql, which follows, may be interrupted.
DROP FUNCTION IF EXISTS search_ids(tsquery);
DROP TABLE IF EXISTS search_documents;

-- A 32-bit hash of its tenant with each of its terms: functions/domain/words.py. Empty where another engine searches.
-- Null: nobody has looked at it yet, and the clock will. Added without a value, so that no row is rewritten here.
ALTER TABLE signals ADD COLUMN IF NOT EXISTS words integer[];

-- Signals of the current tenant that have all hashes asked for, in no order, :most of them. It runs as its owner because
-- row-level security keeps a reader from the index on words (the operator @> is not leakproof), and it takes the tenant
-- from the same setting as the policy, never from the caller. It is left no other way than the index on words: of how
-- often a word occurs PostgreSQL knows nothing.
CREATE OR REPLACE FUNCTION find_signals(
  asked integer[], of_account text, of_user text, of_contact text, of_event_type text, of_signal_type text,
  since timestamptz, until timestamptz, most integer
)
  RETURNS TABLE (id uuid, "timestamp" timestamptz, account_id text, event_type text, signal_type text)
  LANGUAGE sql STABLE SECURITY DEFINER
  SET enable_seqscan = off
  SET enable_bitmapscan = on
  SET enable_bitmapscan = on -- whatever the caller's transaction walks along
  SET work_mem = '32MB' -- the places of 600,000 signals; with less the rows of whole pages are read again
  BEGIN ATOMIC
    SELECT s.id, s."timestamp", s.account_id, s.event_type, s.signal_type
    FROM public.signals AS s
    WHERE s.words @> asked AND s.words <> '{}'
      -- The empty texts keep these from other indexes.
      AND s.tenant_id || '' = current_setting('sspp.tenant', true)
      AND (of_account IS NULL OR s.account_id || '' = of_account)
      AND (of_user IS NULL OR s.user_id = of_user)
      AND (of_contact IS NULL OR s.contact_id || '' = of_contact)
      AND (of_event_type IS NULL OR s.event_type = of_event_type)
      AND (of_signal_type IS NULL OR s.signal_type = of_signal_type)
      AND (since IS NULL OR s."timestamp" >= since)
      AND (until IS NULL OR s."timestamp" < until)
    LIMIT most;
  END;

REVOKE ALL ON FUNCTION find_signals(
  integer[], text, text, text, text, text, timestamptz, timestamptz, integer
) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION find_signals(
  integer[], text, text, text, text, text, timestamptz, timestamptz, integer
) TO sspp_reader;
