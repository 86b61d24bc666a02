-- Insights of accounts, an episode each, and what finding them needs to remember with the account.

CREATE TABLE insights (
  tenant_id  text NOT NULL,
  id         uuid NOT NULL, -- its signal's, too
  account_id text NOT NULL,
  contact_id text,
  kind       text NOT NULL,
  event_id   uuid, -- what it began with; null: it began in silence
  opened_at  timestamptz NOT NULL,
  closed_at  timestamptz, -- may lie ahead; null: depends on what happens
  evidence   json NOT NULL,
  reasons    json NOT NULL,
  undone     boolean NOT NULL DEFAULT false, -- events that came late say that it never was
  found_with uuid, -- the event that it was first found with; null: the clock found it
  PRIMARY KEY (tenant_id, id)
);
-- Those that are open first: an end that is not known is the last one.
CREATE INDEX insights_of_account
  ON insights (tenant_id, account_id, coalesce(closed_at, 'infinity') DESC, opened_at DESC, id)
  WHERE NOT undone;
CREATE INDEX insights_found_with ON insights (tenant_id, found_with) WHERE found_with IS NOT NULL;

ALTER TABLE insights ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON insights TO sspp_reader USING (tenant_id = current_setting('sspp.tenant', true));
GRANT SELECT ON insights TO sspp_reader;

-- An account without a watch has its insights found when its next event comes, from all of its events.
ALTER TABLE accounts
  ADD COLUMN watch json, -- functions/domain/watch.py
  ADD COLUMN next_due timestamptz; -- when silence alone may change an insight
CREATE INDEX accounts_due ON accounts (next_due) WHERE next_due IS NOT NULL;

-- As in 0016_words.sql, but insights are found by who asks for a type of theirs.
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
      AND (s.signal_type <> 'insight' OR of_signal_type IS NOT NULL OR of_event_type IS NOT NULL)
      AND (since IS NULL OR s."timestamp" >= since)
      AND (until IS NULL OR s."timestamp" < until)
    LIMIT most;
  END;
