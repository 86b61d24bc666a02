-- lock_addressees --
-- Let one transaction at a time decide for an addressee: the cap counts what the others have claimed. In a fixed
-- order, so that two batches never wait for each other. Nobody holds these locks while mail is sent.
SELECT tenant_id, recipient, CAST(pg_advisory_xact_lock(hashtextextended(tenant_id || ' ' || recipient, 0)) AS text)
FROM (
  SELECT DISTINCT tenant_id, recipient
  FROM notices
  JOIN json_to_recordset(CAST(:notices AS json)) AS given(tenant_id text, id uuid) USING (tenant_id, id)
  WHERE recipient IS NOT NULL
  ORDER BY tenant_id, recipient
  OFFSET 0
) AS addressees;

-- notice_standings --
-- The state of each notice of a batch; of one that was summed up, the state of its digest.
SELECT notice.tenant_id, CAST(notice.id AS text) AS notice_id, CAST(target.id AS text) AS target_id, target.recipient,
       CAST(target.event_id AS text) AS event_id, target.kind = 'digest' AS is_digest,
       target.sent_at IS NOT NULL AS sent, target.quiet,
       greatest(target.claimed_until, target.next_attempt_at) AS busy_until,
       (SELECT count(*) FROM deliveries
        WHERE deliveries.tenant_id = target.tenant_id AND deliveries.notice_id = target.id) AS attempts
FROM json_to_recordset(CAST(:notices AS json)) AS given(tenant_id text, id uuid)
JOIN notices AS notice ON notice.tenant_id = given.tenant_id AND notice.id = given.id
JOIN notices AS target ON target.tenant_id = notice.tenant_id AND target.id = coalesce(notice.digest_id, notice.id)
ORDER BY notice.created_at, notice.id;

-- addressee_traffic --
-- The mails that an addressee got within the hour or is about to get, and the digests. A digest collects until it is claimed.
SELECT statement_timestamp() AS now,
       (SELECT count(*) FROM notices
        WHERE tenant_id = :tenant_id AND recipient = :recipient AND kind <> 'digest' AND digest_id IS NULL
          AND sent_at > statement_timestamp() - make_interval(secs => :window_s)) +
       (SELECT count(*) FROM notices
        WHERE tenant_id = :tenant_id AND recipient = :recipient AND kind <> 'digest'
          AND sent_at IS NULL AND claimed_until > statement_timestamp()) AS mails,
       (SELECT CAST(id AS text) FROM notices
        WHERE tenant_id = :tenant_id AND recipient = :recipient AND kind = 'digest'
          AND sent_at IS NULL AND refused_at IS NULL AND claimed_until IS NULL
          AND NOT EXISTS (SELECT FROM deliveries
                          WHERE deliveries.tenant_id = notices.tenant_id AND deliveries.notice_id = notices.id)
        LIMIT 1) AS open_digest,
       (SELECT max(coalesce(sent_at, next_attempt_at, created_at)) FROM notices
        WHERE tenant_id = :tenant_id AND recipient = :recipient AND kind = 'digest') AS last_digest;

-- open_digests --
-- Digests that begin to collect.
INSERT INTO notices (tenant_id, id, kind, title, recipient, event_id, created_at, next_attempt_at)
SELECT tenant_id, id, 'digest', :title, recipient, event_id, now(), due_at
FROM json_to_recordset(CAST(:digests AS json)) AS given(
  tenant_id text, id uuid, recipient text, event_id uuid, due_at timestamptz
)
ON CONFLICT DO NOTHING;

-- sum_up --
-- Put notices into a digest, which is sent in place of a mail for each.
UPDATE notices SET digest_id = given.digest_id, next_attempt_at = NULL
FROM json_to_recordset(CAST(:notices AS json)) AS given(tenant_id text, id uuid, digest_id uuid)
WHERE notices.tenant_id = given.tenant_id AND notices.id = given.id;

-- claim_notices --
-- Claim notices for one worker, with a lease.
UPDATE notices
SET claimed_until = statement_timestamp() + make_interval(secs => :lease_s), next_attempt_at = NULL
FROM json_to_recordset(CAST(:notices AS json)) AS given(tenant_id text, id uuid)
WHERE notices.tenant_id = given.tenant_id AND notices.id = given.id;

-- read_notice --
-- The contents of a notice's message.
SELECT id, kind, title, recipient, account_id, engagement, created_at
FROM notices
WHERE tenant_id = :tenant_id AND id = CAST(:id AS uuid);

-- summed_up --
-- The notices of a digest, the first ones, with how many there are.
SELECT title, account_id, engagement, created_at, count(*) OVER () AS total
FROM notices
WHERE tenant_id = :tenant_id AND digest_id = CAST(:id AS uuid)
ORDER BY created_at, id
LIMIT :most;

-- record_delivery --
-- One attempt to send a notice, what the other side said and what follows: it is sent (with everything it sums up),
-- tried again, or given up for good. Its claim ends.
WITH attempt AS (
  INSERT INTO deliveries (tenant_id, notice_id, attempt, channel, recipient, delivered, answer)
  SELECT :tenant_id, CAST(:id AS uuid), count(*) + 1, :channel, :recipient, :delivered, :answer
  FROM deliveries
  WHERE tenant_id = :tenant_id AND notice_id = CAST(:id AS uuid)
)
UPDATE notices
SET sent_at = CASE WHEN :delivered THEN now() END,
    refused_at = CASE WHEN NOT :delivered AND CAST(:wait_s AS double precision) IS NULL THEN now() END,
    next_attempt_at = now() + make_interval(secs => CAST(:wait_s AS double precision)),
    claimed_until = NULL
WHERE tenant_id = :tenant_id AND (id = CAST(:id AS uuid) OR :delivered AND digest_id = CAST(:id AS uuid));

-- release_notices --
-- Release the claims of notices that were not tried.
UPDATE notices SET claimed_until = NULL
FROM json_to_recordset(CAST(:notices AS json)) AS given(tenant_id text, id uuid)
WHERE notices.tenant_id = given.tenant_id AND notices.id = given.id;
