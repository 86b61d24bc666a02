-- Every statement runs by itself, outside a transaction, and does not stop writers; see 0015_lists.sql.

-- The notices about one account, the newest first.
DROP INDEX CONCURRENTLY IF EXISTS notices_by_account;
CREATE INDEX CONCURRENTLY notices_by_account ON notices (tenant_id, account_id, created_at, id)
  WHERE account_id IS NOT NULL;
