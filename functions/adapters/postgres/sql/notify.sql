-- lock_notice --
-- One notice, held so that two deliveries of it cannot both send.
SELECT id, title, recipient, account_id, engagement, created_at, sent_at, (
         SELECT count(*) FROM deliveries
         WHERE deliveries.tenant_id = notices.tenant_id AND deliveries.notice_id = notices.id
       ) AS attempts
FROM notices
WHERE tenant_id = :tenant_id AND id = CAST(:id AS uuid)
FOR UPDATE;

-- record_delivery --
-- One attempt to send a notice and what the other side said; a notice is sent once.
WITH attempt AS (
  INSERT INTO deliveries (tenant_id, notice_id, attempt, channel, recipient, delivered, answer)
  VALUES (:tenant_id, CAST(:id AS uuid), :attempt, :channel, :recipient, :delivered, :answer)
)
UPDATE notices SET sent_at = now()
WHERE tenant_id = :tenant_id AND id = CAST(:id AS uuid) AND :delivered;
