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

-- rank_accounts --
-- A page of accounts by raw points now, the most engaged first.
-- The fading is that of functions/domain/score.py, whose constants come as parameters; the exponent is
-- bounded because PostgreSQL refuses to round to zero.
SELECT account_id,
       coalesce(sum(faded) FILTER (WHERE side = 'buyer'), 0) AS buyer_points,
       coalesce(sum(faded) FILTER (WHERE side = 'rep'), 0) AS rep_points
FROM accounts
LEFT JOIN LATERAL (
  SELECT one ->> 0 AS side, CAST(one ->> 3 AS double precision) * power(
    CAST(2 AS double precision),
    greatest(-900, CAST(one ->> 2 AS integer) * :era_half_lives - CAST(:fraction_bits AS integer)
      - extract(epoch FROM (CAST(:at AS timestamptz) - CAST(:landmark AS timestamptz)))
        / (86400.0 * CAST(one ->> 1 AS integer)))
  ) AS faded
  FROM json_array_elements(sums) AS one
) AS parts ON true
WHERE tenant_id = :tenant_id
GROUP BY account_id
ORDER BY buyer_points DESC, account_id
LIMIT :limit OFFSET :offset;

-- count_accounts --
-- How many accounts a tenant has.
SELECT count(*) AS total FROM accounts WHERE tenant_id = :tenant_id;

-- get_account --
-- One account's score sums.
SELECT sums FROM accounts WHERE tenant_id = :tenant_id AND account_id = :account_id;

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
