-- Notices are claimed, sent and recorded in three steps, tried again over days, and summed up when they are many.
ALTER TABLE notices
  -- Until when one worker alone may send it; after a crash it runs out.
  ADD COLUMN claimed_until timestamptz,
  -- When it is to be tried next; of a digest, when it is sent.
  ADD COLUMN next_attempt_at timestamptz,
  -- The digest it is summed up in: a notice of kind 'digest'.
  ADD COLUMN digest_id uuid,
  -- Its event was marked so by the sender: it is on record, and nobody is told.
  ADD COLUMN quiet boolean NOT NULL DEFAULT false;

-- Those that were given up after four attempts stay so.
UPDATE notices SET refused_at = now()
WHERE sent_at IS NULL AND refused_at IS NULL
  AND EXISTS (SELECT FROM deliveries
              WHERE deliveries.tenant_id = notices.tenant_id AND deliveries.notice_id = notices.id AND attempt >= 4);

-- How many mails a recipient got within the hour, and how many are on their way.
CREATE INDEX notices_by_recipient ON notices (tenant_id, recipient, sent_at) WHERE sent_at IS NOT NULL;
CREATE INDEX notices_claimed ON notices (tenant_id, recipient) WHERE claimed_until IS NOT NULL;
CREATE INDEX notices_digests ON notices (tenant_id, recipient) WHERE kind = 'digest';
CREATE INDEX notices_by_digest ON notices (tenant_id, digest_id) WHERE digest_id IS NOT NULL;
