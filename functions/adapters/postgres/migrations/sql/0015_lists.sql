-- What lists of signals and notices walk along. Every statement runs by itself, outside a transaction, and does not stop
-- writers; one that was interrupted left an index that is not valid, so each begins with removing it.

-- All signals in the order of time. The id decides between equal times, of which an import may have very many: without
-- it in the index each page would read all of them.
DROP INDEX CONCURRENTLY IF EXISTS signals_newest;
CREATE INDEX CONCURRENTLY signals_newest ON signals (tenant_id, "timestamp", id);
DROP INDEX CONCURRENTLY IF EXISTS signals_by_time;

-- The signals with one contact, one user or of one type, in the order of time. The id would cost 16 bytes an event in
-- each, and of these few share a time.
DROP INDEX CONCURRENTLY IF EXISTS signals_by_contact;
CREATE INDEX CONCURRENTLY signals_by_contact ON signals (tenant_id, contact_id, "timestamp") WHERE contact_id IS NOT NULL;
DROP INDEX CONCURRENTLY IF EXISTS signals_by_user;
CREATE INDEX CONCURRENTLY signals_by_user ON signals (tenant_id, user_id, "timestamp") WHERE user_id IS NOT NULL;
DROP INDEX CONCURRENTLY IF EXISTS signals_by_type;
CREATE INDEX CONCURRENTLY signals_by_type ON signals (tenant_id, event_type, "timestamp");

-- All notices, the newest first.
DROP INDEX CONCURRENTLY IF EXISTS notices_newest;
CREATE INDEX CONCURRENTLY notices_newest ON notices (tenant_id, created_at, id);
