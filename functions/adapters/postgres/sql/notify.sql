-- lock_notice --
-- One notice with the rule version that wanted it, held so that two deliveries of it cannot both send.
SELECT notices.id, notices.account_id, notices.engagement, notices.created_at, notices.sent_at,
       rules.definition, (
         SELECT count(*) FROM deliveries
         WHERE deliveries.tenant_id = notices.tenant_id AND deliveries.notice_id = notices.id
       ) AS attempts
FROM notices
JOIN rules ON rules.tenant_id = notices.tenant_id
  AND rules.rule_id = notices.rule_id AND rules.version = notices.rule_version
WHERE notices.tenant_id = :tenant_id AND notices.id = CAST(:id AS uuid)
FOR UPDATE OF notices;

-- record_delivery --
-- One attempt to send a notice and what the other side said; a notice is sent once.
WITH attempt AS (
  INSERT INTO deliveries (tenant_id, notice_id, attempt, channel, recipient, delivered, answer)
  VALUES (:tenant_id, CAST(:id AS uuid), :attempt, :channel, :recipient, :delivered, :answer)
)
UPDATE notices SET sent_at = now()
WHERE tenant_id = :tenant_id AND id = CAST(:id AS uuid) AND :delivered;
