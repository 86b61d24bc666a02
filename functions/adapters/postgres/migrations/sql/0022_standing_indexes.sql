-- Every statement runs by itself, outside a transaction, and does not stop writers; see 0015_lists.sql.

-- A contact's events of a campaign, the oldest first: so many of them count. Events of no campaign cost nothing of it.
DROP INDEX CONCURRENTLY IF EXISTS signals_by_campaign;
CREATE INDEX CONCURRENTLY signals_by_campaign
  ON signals (tenant_id, account_id, (marks[3]), contact_id, event_type, "timestamp") WHERE marks[3] IS NOT NULL;
