-- A notice about a month's limit is due because of the month's count, not because of one event.
ALTER TABLE notices ALTER COLUMN event_id DROP NOT NULL;
