-- list_signals --
-- One page of a tenant's signals; a filter that is null does not filter.
SELECT id, account_id, user_id, contact_id, event_type, signal_type, signal_score, points, "timestamp",
       processed_at, metadata, reasons, source, source_id, event
FROM signals
WHERE tenant_id = :tenant_id
  AND (CAST(:account_id AS text) IS NULL OR account_id = CAST(:account_id AS text))
  AND (CAST(:user_id AS text) IS NULL OR user_id = CAST(:user_id AS text))
  AND (CAST(:contact_id AS text) IS NULL OR contact_id = CAST(:contact_id AS text))
  AND (CAST(:event_type AS text) IS NULL OR event_type = CAST(:event_type AS text))
  AND (CAST(:signal_type AS text) IS NULL OR signal_type = CAST(:signal_type AS text))
  AND (CAST(:since AS timestamptz) IS NULL OR "timestamp" >= CAST(:since AS timestamptz))
  AND (CAST(:until AS timestamptz) IS NULL OR "timestamp" < CAST(:until AS timestamptz))
ORDER BY /* order by */
LIMIT :limit OFFSET :offset;

-- count_signals --
-- How many signals list_signals has on all pages.
SELECT count(*) AS total
FROM signals
WHERE tenant_id = :tenant_id
  AND (CAST(:account_id AS text) IS NULL OR account_id = CAST(:account_id AS text))
  AND (CAST(:user_id AS text) IS NULL OR user_id = CAST(:user_id AS text))
  AND (CAST(:contact_id AS text) IS NULL OR contact_id = CAST(:contact_id AS text))
  AND (CAST(:event_type AS text) IS NULL OR event_type = CAST(:event_type AS text))
  AND (CAST(:signal_type AS text) IS NULL OR signal_type = CAST(:signal_type AS text))
  AND (CAST(:since AS timestamptz) IS NULL OR "timestamp" >= CAST(:since AS timestamptz))
  AND (CAST(:until AS timestamptz) IS NULL OR "timestamp" < CAST(:until AS timestamptz));

-- get_signal --
-- One signal, with when its event was received.
SELECT id, account_id, user_id, contact_id, event_type, signal_type, signal_score, points, "timestamp",
       processed_at, metadata, reasons, received_at, source, source_id, event
FROM signals
WHERE tenant_id = :tenant_id AND id = CAST(:id AS uuid);

-- accounts_by_engagement --
-- The next accounts of a ranking, from a place in it on, the highest rank first. A filter that is null does not filter.
SELECT account_id, engagement_rank AS rank, slow, score_sums
FROM accounts
WHERE tenant_id = :tenant_id AND slow = CAST(:slow AS boolean)
  AND (engagement_rank, account_id COLLATE "C") > (CAST(:after_rank AS smallint), CAST(:after_id AS text))
  AND (CAST(:prefix AS text) IS NULL OR starts_with(lower(account_id), lower(CAST(:prefix AS text))))
  AND (CAST(:changed_since AS timestamptz) IS NULL OR as_of >= CAST(:changed_since AS timestamptz))
ORDER BY engagement_rank, account_id COLLATE "C"
LIMIT :limit;

-- accounts_by_effort --
-- The next accounts of a ranking, from a place in it on, the highest rank first. A filter that is null does not filter.
SELECT account_id, effort_rank AS rank, slow, score_sums
FROM accounts
WHERE tenant_id = :tenant_id AND slow = CAST(:slow AS boolean)
  AND (effort_rank, account_id COLLATE "C") > (CAST(:after_rank AS smallint), CAST(:after_id AS text))
  AND (CAST(:prefix AS text) IS NULL OR starts_with(lower(account_id), lower(CAST(:prefix AS text))))
  AND (CAST(:changed_since AS timestamptz) IS NULL OR as_of >= CAST(:changed_since AS timestamptz))
ORDER BY effort_rank, account_id COLLATE "C"
LIMIT :limit;

-- count_accounts --
-- How many accounts a ranking has, counted up to :most.
SELECT count(*) AS total FROM (
  SELECT FROM accounts
  WHERE tenant_id = :tenant_id
    AND (CAST(:prefix AS text) IS NULL OR starts_with(lower(account_id), lower(CAST(:prefix AS text))))
    AND (CAST(:changed_since AS timestamptz) IS NULL OR as_of >= CAST(:changed_since AS timestamptz))
  LIMIT :most
) AS counted;

-- list_notices --
-- The newest notices with how they stand and every attempt to send them.
SELECT id, kind, title, rule_id, rule_version, account_id, episode, event_id, engagement, created_at, sent_at,
       recipient, next_attempt_at, digest_id,
       CASE
         WHEN digest_id IS NOT NULL THEN 'summed up'
         WHEN sent_at IS NOT NULL THEN 'sent'
         WHEN quiet OR recipient IS NULL THEN 'suppressed'
         WHEN refused_at IS NOT NULL THEN 'failed'
         WHEN claimed_until > now() THEN 'sending'
         -- The clock looks for unsent ones of a week: functions/domain/platform_events.py, UNSENT_UNTIL.
         WHEN created_at < now() - interval '7 days' THEN 'dead'
         ELSE 'pending'
       END AS state,
       coalesce((
         SELECT json_agg(json_build_object(
           'attempt', attempt, 'at', at, 'channel', channel, 'recipient', recipient,
           'delivered', delivered, 'answer', answer) ORDER BY attempt)
         FROM deliveries
         WHERE deliveries.tenant_id = notices.tenant_id AND deliveries.notice_id = notices.id
       ), CAST('[]' AS json)) AS deliveries
FROM notices
WHERE tenant_id = :tenant_id AND (CAST(:event_id AS uuid) IS NULL OR event_id = CAST(:event_id AS uuid))
ORDER BY created_at DESC, id
LIMIT :limit OFFSET :offset;

-- count_notices --
-- How many notices list_notices has on all pages.
SELECT count(*) AS total FROM notices
WHERE tenant_id = :tenant_id AND (CAST(:event_id AS uuid) IS NULL OR event_id = CAST(:event_id AS uuid));
