-- When the newest event that changed an account was received: an event from before it is late. Rows that are there
-- stay null, so that no row is rewritten; new ones begin before any event.
ALTER TABLE accounts ADD COLUMN as_of timestamptz;
ALTER TABLE accounts ALTER COLUMN as_of SET DEFAULT '1970-01-01 00:00:00+00';
