-- What calibration and percentiles read. Every statement runs by itself, outside a transaction, and does not stop writers;
-- one that was interrupted left an index that is not valid, so each begins with removing it.

-- The deals that were won and lost, in the order of time: few among the signals.
DROP INDEX CONCURRENTLY IF EXISTS signals_outcomes;
CREATE INDEX CONCURRENTLY signals_outcomes ON signals (tenant_id, "timestamp", id)
WHERE event_type IN ('io.sspp.deal.won', 'io.sspp.deal.lost');

-- Accounts as if drawn: those that come first say what is so of all, however many there are.
DROP INDEX CONCURRENTLY IF EXISTS accounts_drawn;
CREATE INDEX CONCURRENTLY accounts_drawn ON accounts (tenant_id, hashtext(account_id));
