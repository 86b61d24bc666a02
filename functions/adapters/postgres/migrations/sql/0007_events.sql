-- The event of a signal as its sender sent it, and what tells another content of the same identity.
-- Signals of earlier versions have neither; theirs is the column metadata, which is null where there is an event.
ALTER TABLE signals
  -- Without what other columns repeat: functions/domain/original.py. json keeps every number as it was sent.
  ADD COLUMN event json,
  -- 16 bytes: events/content.py.
  ADD COLUMN content bytea,
  ALTER COLUMN metadata DROP NOT NULL;
