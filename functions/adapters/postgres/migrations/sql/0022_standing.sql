-- Signals that do not count, and why. Their side then is capped, unverified or retracted, which no score reads.
-- Safe to repeat, because 0022_standing_indexes.sql, which follows, may be interrupted.
ALTER TABLE signals
  ADD COLUMN IF NOT EXISTS left_out smallint NOT NULL DEFAULT 0, -- why: the bits of functions/domain/standing.py
  -- Hashes of the e-mail, the link and the campaign that it is compared with others by: functions/domain/evidence.py.
  ADD COLUMN IF NOT EXISTS marks bigint[];

-- What was taken back, whether its event has come or not.
CREATE TABLE IF NOT EXISTS retractions (
  tenant_id text NOT NULL,
  id        uuid NOT NULL, -- of the event that was taken back
  at        timestamptz NOT NULL,
  by        text NOT NULL,
  reason    text,
  event_id  uuid NOT NULL, -- of the event that did it: the first one, where there were several
  PRIMARY KEY (tenant_id, id)
);
ALTER TABLE retractions ENABLE ROW LEVEL SECURITY;
DROP POLICY IF EXISTS tenant ON retractions;
CREATE POLICY tenant ON retractions TO sspp_reader USING (tenant_id = current_setting('sspp.tenant', true));
GRANT SELECT ON retractions TO sspp_reader;
