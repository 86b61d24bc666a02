-- lock_notice --
-- One notice, held so that two deliveries of it cannot both send.
SELECT id, title, recipient, account_id, engagement, created_at, sent_at
FROM notices
WHERE tenant_id = :tenant_id AND id = CAST(:id AS uuid)
FOR UPDATE;

-- record_delivery --
-- One attempt to send a notice and what the other side said; a notice is sent once. The attempts before it are
-- counted here and not by lock_notice: what that sees is from before it waited for another delivery to end.
WITH attempt AS (
  INSERT INTO deliveries (tenant_id, notice_id, attempt, channel, recipient, delivered, answer)
  SELECT :tenant_id, CAST(:id AS uuid), count(*) + 1, :channel, :recipient, :delivered, :answer
  FROM deliveries
  WHERE tenant_id = :tenant_id AND notice_id = CAST(:id AS uuid)
)
UPDATE notices SET sent_at = now()
WHERE tenant_id = :tenant_id AND id = CAST(:id AS uuid) AND :delivered;

-- refuse_notice --
-- A notice was refused for good: no clock brings it back.
UPDATE notices SET refused_at = now()
WHERE tenant_id = :tenant_id AND id = CAST(:id AS uuid);
