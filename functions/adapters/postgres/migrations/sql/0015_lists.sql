-- What lists of signals and notices walk along. Every statement runs by itself, outside a transaction, and does not stop
-- writers; one that was interrupted left an index that is not valid, so each begins with removing it.

-- All signals in the order of time. The id decides between equal times, of which an import may have very many: without
-- it in the index each page would read all of them.
DROP INDEX CONCURRENTLY IF EXISTS signals_newest;
CREATE INDEX CONCURRENTLY signals_newest ON signals (tenant_id, "timestamp", id);
DROP INDEX CONCURRENTLY IF EXISTS signals_by_time;

-- The signals with one contact, in the order of time. The id would cost 16 bytes more, and few of a contact share a time.
-- Users and types have none: each would take 100 bytes of an event and 230 of its write-ahead log. What is frequent is
-- soon met on the way through all signals, and what is rare has its words in signals_words.
DROP INDEX CONCURRENTLY IF EXISTS signals_by_contact;
CREATE INDEX CONCURRENTLY signals_by_contact ON signals (tenant_id, contact_id, "timestamp") WHERE contact_id IS NOT NULL;

-- All notices, the newest first.
DROP INDEX CONCURRENTLY IF EXISTS notices_newest;
CREATE INDEX CONCURRENTLY notices_newest ON notices (tenant_id, created_at, id);
