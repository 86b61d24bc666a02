-- walk_along_indexes --
-- For the rest of a transaction: no plan may read all that matches and then sort it, however few rows it expects.
SELECT set_config('enable_bitmapscan', 'off', true), set_config('enable_seqscan', 'off', true);

-- signals_walk --
-- The signals that one question looks at, in the order of time, and so many at most: what it costs is bounded by that.
-- One filter, the one with an index of its own (by_...), is part of the walk; the others are for signals_fit.
SELECT id, "timestamp", account_id, user_id, contact_id, event_type, signal_type, signal_score, points, processed_at
FROM signals
WHERE tenant_id = :tenant_id
  AND (CAST(:by_contact_id AS text) IS NULL OR contact_id = CAST(:by_contact_id AS text))
  AND (CAST(:by_account_id AS text) IS NULL OR account_id = CAST(:by_account_id AS text))
  AND (CAST(:since AS timestamptz) IS NULL OR "timestamp" >= CAST(:since AS timestamptz))
  AND (CAST(:until AS timestamptz) IS NULL OR "timestamp" < CAST(:until AS timestamptz))
  AND (CAST(:before_at AS timestamptz) IS NULL
       OR ("timestamp", id) < (CAST(:before_at AS timestamptz), CAST(:before_id AS uuid)))
  AND (CAST(:after_at AS timestamptz) IS NULL
       OR ("timestamp", id) > (CAST(:after_at AS timestamptz), CAST(:after_id AS uuid)))
ORDER BY /* order by */
LIMIT :looked_at

-- signals_fit --
-- Whether a signal of the walk fits the other filters; one that is null does not filter. Insights are no events: only who
-- asks for a type of theirs gets them.
    (CAST(:account_id AS text) IS NULL OR account_id = CAST(:account_id AS text))
AND (CAST(:user_id AS text) IS NULL OR user_id = CAST(:user_id AS text))
AND (CAST(:event_type AS text) IS NULL OR event_type = CAST(:event_type AS text))
AND (CAST(:signal_type AS text) IS NULL OR signal_type = CAST(:signal_type AS text))
AND (signal_type <> 'insight' OR CAST(:signal_type AS text) IS NOT NULL OR CAST(:event_type AS text) IS NOT NULL)

-- stands --
-- Why a signal is left out, and who took it back.
left_out, CASE WHEN left_out & 512 <> 0 THEN (
  SELECT json_build_array(at, by, reason) FROM retractions
  WHERE retractions.tenant_id = signals.tenant_id AND retractions.id = signals.id
) END AS retraction

-- signals_stand --
-- How some signals stand.
SELECT id,
       /* include stands */
FROM signals
WHERE tenant_id = :tenant_id AND id = ANY(CAST(:ids AS uuid[]));

-- list_signals --
-- One page of signals in the order of time. Ids first: past them an index alone leads, whatever the offset.
SELECT id, account_id, user_id, contact_id, event_type, signal_type, signal_score, points, "timestamp",
       processed_at, metadata, reasons, source, source_id, event, sent_account,
       /* include stands */
FROM (
  SELECT id FROM (
    /* include signals_walk */
  ) AS walk
  WHERE
    /* include signals_fit */
  LIMIT :limit OFFSET :offset
) AS page
JOIN signals USING (id)
WHERE tenant_id = :tenant_id
ORDER BY /* order by */;

-- rank_signals --
-- One page of signals in another order than that of time, the highest or, negated, the lowest first.
SELECT id, account_id, user_id, contact_id, event_type, signal_type, signal_score, points, "timestamp",
       processed_at, metadata, reasons, source, source_id, event, sent_account, rank,
       /* include stands */
FROM (
  SELECT id, rank FROM (
    SELECT id, account_id, user_id, event_type, signal_type,
           :sign * CASE :sort
             WHEN 'points' THEN points
             WHEN 'signal_score' THEN CAST(signal_score * 100 AS bigint)
             ELSE CAST(extract(epoch FROM processed_at) * 1000000 AS bigint)
           END AS rank
    FROM (
      /* include signals_walk */
    ) AS walk
  ) AS ranked
  WHERE
    /* include signals_fit */
    AND (CAST(:below AS bigint) IS NULL OR (rank, id) < (CAST(:below AS bigint), CAST(:below_id AS uuid)))
  ORDER BY rank DESC, id DESC
  LIMIT :limit OFFSET :offset
) AS page
JOIN signals USING (id)
WHERE tenant_id = :tenant_id
ORDER BY rank DESC, id DESC;

-- signals_of --
-- The signals of some ids.
SELECT id, account_id, user_id, contact_id, event_type, signal_type, signal_score, points, "timestamp",
       processed_at, metadata, reasons, source, source_id, event, sent_account,
       /* include stands */
FROM signals
WHERE tenant_id = :tenant_id AND id = ANY(CAST(:ids AS uuid[]))
ORDER BY /* order by */;

-- rare_signals --
-- How many signals have all names that are asked for, up to :most, and the ids of one page of them.
WITH hits AS MATERIALIZED (
  SELECT id, "timestamp" FROM find_signals(
    CAST(:hashes AS integer[]), :account_id, :user_id, :contact_id, :event_type, :signal_type,
    CAST(:since AS timestamptz), CAST(:until AS timestamptz), CAST(:most AS integer)
  )
)
SELECT (SELECT count(*) FROM hits) AS total, ARRAY(
  SELECT id FROM hits
  WHERE (CAST(:before_at AS timestamptz) IS NULL
         OR ("timestamp", id) < (CAST(:before_at AS timestamptz), CAST(:before_id AS uuid)))
    AND (CAST(:after_at AS timestamptz) IS NULL
         OR ("timestamp", id) > (CAST(:after_at AS timestamptz), CAST(:after_id AS uuid)))
  ORDER BY /* order by */
  LIMIT :limit OFFSET :offset
) AS ids;

-- has_wordless --
-- Whether a tenant has signals that the index of words does not have.
SELECT EXISTS (
  SELECT FROM signals WHERE tenant_id = :tenant_id AND (words IS NULL OR words = '{}')
) AS found;

-- count_signals --
-- How many signals the walk looks at, and how many of them fit.
SELECT count(*) AS looked_at, count(*) FILTER (WHERE
  /* include signals_fit */
) AS total
FROM (
  /* include signals_walk */
) AS walk;

-- place_in_walk --
-- The signal after so many others in the walk.
SELECT "timestamp" AS at, id FROM (
  /* include signals_walk */
) AS walk
LIMIT 1 OFFSET :offset;

-- moment_in_walk --
-- When that signal was, which every index knows.
SELECT "timestamp" AS at FROM (
  /* include signals_walk */
) AS walk
LIMIT 1 OFFSET :offset;

-- signal_stats --
-- How many signals were looked at, and those that fit, counted in several ways.
WITH walk AS MATERIALIZED (
  SELECT account_id, user_id, event_type, signal_type, signal_score, "timestamp", (
    /* include signals_fit */
  ) AS fits
  FROM (
    /* include signals_walk */
  ) AS walk
)
SELECT count(*) AS looked_at,
       count(*) FILTER (WHERE fits) AS total,
       count(DISTINCT account_id) FILTER (WHERE fits) AS accounts,
       count(DISTINCT user_id) FILTER (WHERE fits) AS users,
       avg(signal_score) FILTER (WHERE fits) AS signal_score,
       (SELECT json_object_agg(signal_type, signals ORDER BY signals DESC, signal_type)
        FROM (SELECT signal_type, count(*) AS signals FROM walk WHERE fits GROUP BY signal_type) AS counted
       ) AS by_signal_type,
       (SELECT json_object_agg(event_type, signals ORDER BY signals DESC, event_type)
        FROM (SELECT event_type, count(*) AS signals FROM walk WHERE fits GROUP BY event_type) AS counted
       ) AS by_event_type,
       (SELECT json_object_agg(day, signals ORDER BY day)
        FROM (
          SELECT to_char("timestamp" AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day, count(*) AS signals
          FROM walk WHERE fits GROUP BY day
        ) AS counted
       ) AS by_day
FROM walk;

-- get_signal --
-- One signal, with when its event was received.
SELECT id, account_id, user_id, contact_id, event_type, signal_type, signal_score, points, "timestamp",
       processed_at, metadata, reasons, received_at, source, source_id, event, sent_account,
       /* include stands */
FROM signals
WHERE tenant_id = :tenant_id AND id = CAST(:id AS uuid);

-- account_id --
-- The account that counts for a name.
SELECT coalesce(merged_into, account_id) AS account_id
FROM accounts
WHERE tenant_id = :tenant_id AND account_id = :account_id;

-- accounts_fit --
-- Whether an account fits the filters that need no score; one that is null does not filter.
(CAST(:prefix AS text) IS NULL OR starts_with(lower(account_id), lower(CAST(:prefix AS text))))
AND merged_into IS NULL
AND (CAST(:changed_since AS timestamptz) IS NULL OR as_of >= CAST(:changed_since AS timestamptz))
AND (CAST(:owner AS text) IS NULL OR attributes -> 'owner' ->> 0 = CAST(:owner AS text))

-- accounts_by_engagement --
-- The next accounts of a ranking, from a place in it on, the highest rank first.
SELECT account_id, engagement_rank AS rank, slots, engaged, attributes, (
  /* include first_contacts */
) AS contacts
FROM accounts
WHERE tenant_id = :tenant_id AND slow = CAST(:slow AS boolean)
  AND (engagement_rank, account_id COLLATE "C") > (CAST(:after_rank AS smallint), CAST(:after_id AS text))
  AND /* include accounts_fit */
ORDER BY engagement_rank, account_id COLLATE "C"
LIMIT :limit;

-- accounts_by_effort --
-- The same by effort.
SELECT account_id, effort_rank AS rank, slots, engaged, attributes, (
  /* include first_contacts */
) AS contacts
FROM accounts
WHERE tenant_id = :tenant_id AND slow = CAST(:slow AS boolean)
  AND (effort_rank, account_id COLLATE "C") > (CAST(:after_rank AS smallint), CAST(:after_id AS text))
  AND /* include accounts_fit */
ORDER BY effort_rank, account_id COLLATE "C"
LIMIT :limit;

-- accounts_by_last_seen --
-- The next accounts by their newest signal with points, which is where they stand: of those that the walk meets, :most.
-- One row more, with no account, says where the walk ended, unless that is at the tenant's first signal. Signals without
-- points are a part of the walk, or it could be without end.
WITH walk AS MATERIALIZED (
  SELECT account_id, "timestamp", id, points
  FROM signals
  WHERE tenant_id = :tenant_id
    AND (CAST(:before_at AS timestamptz) IS NULL
         OR ("timestamp", id) < (CAST(:before_at AS timestamptz), CAST(:before_id AS uuid)))
  ORDER BY "timestamp" DESC, id DESC
  LIMIT :looked_at
),
met AS (
  SELECT DISTINCT ON (account_id) account_id, "timestamp", id
  FROM walk WHERE points <> 0
  ORDER BY account_id, "timestamp" DESC, id DESC
),
standing AS (
  SELECT account_id, "timestamp" AS at, id, slots, engaged, attributes, (
    /* include first_contacts */
  ) AS contacts
  FROM met JOIN accounts USING (account_id)
  WHERE accounts.tenant_id = :tenant_id AND /* include accounts_fit */
    AND NOT EXISTS (
      SELECT FROM signals AS newer
      WHERE newer.tenant_id = :tenant_id AND newer.account_id = met.account_id AND newer.points <> 0
        AND (newer."timestamp", newer.id) > (met."timestamp", met.id)
    )
  ORDER BY at DESC, id DESC
  LIMIT :most
)
SELECT account_id, at, id, slots, engaged, attributes, contacts FROM standing
UNION ALL
(SELECT NULL, "timestamp", id, NULL, NULL, NULL, NULL FROM walk
 WHERE (SELECT count(*) FROM walk) = :looked_at AND (SELECT count(*) FROM standing) < :most
 ORDER BY "timestamp", id LIMIT 1)
ORDER BY at DESC, id DESC, account_id NULLS LAST;

-- accounts_seen --
-- The accounts of the newest signals since a moment, :most of them, the last seen first, with their sums since then. One
-- row more, with no account, where more signals have come since than were looked at.
WITH walk AS MATERIALIZED (
  SELECT account_id, "timestamp", points
  FROM signals
  WHERE tenant_id = :tenant_id AND "timestamp" > CAST(:since AS timestamptz)
  ORDER BY "timestamp" DESC, id DESC
  LIMIT :looked_at
),
met AS (SELECT account_id, max("timestamp") AS at FROM walk WHERE points <> 0 GROUP BY account_id),
seen AS (
  SELECT accounts.*, at FROM met JOIN accounts USING (account_id)
  WHERE tenant_id = :tenant_id AND /* include accounts_fit */
  ORDER BY at DESC, account_id COLLATE "C"
  LIMIT :most
)
SELECT account_id, slots, engaged, attributes, (
  /* include first_contacts */
) AS contacts, (
  /* include sums_since */
) AS since
FROM seen AS accounts
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, NULL WHERE (SELECT count(*) FROM walk) = :looked_at;

-- count_accounts --
-- How many accounts a ranking has, counted up to :most.
SELECT count(*) AS total FROM (
  SELECT FROM accounts
  WHERE tenant_id = :tenant_id
    AND /* include accounts_fit */
  LIMIT :most
) AS counted;

-- list_notices --
-- The newest notices with how they stand and every attempt to send them; those of one event, or those after a place.
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
FROM (
  SELECT id FROM notices
  WHERE tenant_id = :tenant_id AND (CAST(:event_id AS uuid) IS NULL OR event_id = CAST(:event_id AS uuid))
    AND (CAST(:before_at AS timestamptz) IS NULL
         OR (created_at, id) < (CAST(:before_at AS timestamptz), CAST(:before_id AS uuid)))
  ORDER BY created_at DESC, id DESC
  LIMIT :limit OFFSET :offset
) AS page
JOIN notices USING (id)
WHERE tenant_id = :tenant_id
ORDER BY created_at DESC, id DESC;

-- count_notices --
-- How many notices there are, as far as they are counted.
SELECT count(*) AS total FROM (
  SELECT FROM notices WHERE tenant_id = :tenant_id ORDER BY created_at DESC LIMIT :looked_at
) AS newest;

-- list_timeline --
-- The newest entries of an account's timeline, or those after a place: signals, which insights and corrections are too,
-- and notices.
SELECT kind, at, id, title, contact_id, user_id, points, reasons, engagement, event_id FROM (
  (
    SELECT CASE
             WHEN signal_type = 'insight' THEN 'insight'
             WHEN event_type = 'io.sspp.event.retracted' THEN 'correction'
             ELSE 'event'
           END AS kind,
           "timestamp" AS at, id, event_type AS title, contact_id, user_id, points, reasons,
           CAST(NULL AS numeric) AS engagement, CAST(NULL AS uuid) AS event_id
    FROM signals
    WHERE tenant_id = :tenant_id AND account_id = :account_id
      AND (CAST(:before_at AS timestamptz) IS NULL
           OR ("timestamp", id) < (CAST(:before_at AS timestamptz), CAST(:before_id AS uuid)))
    ORDER BY "timestamp" DESC, id DESC
    LIMIT :limit
  )
  UNION ALL
  (
    SELECT 'notice', created_at, id, title, NULL, NULL, NULL, CAST('[]' AS json), engagement, event_id
    FROM notices
    WHERE tenant_id = :tenant_id AND account_id = :account_id
      AND (CAST(:before_at AS timestamptz) IS NULL
           OR (created_at, id) < (CAST(:before_at AS timestamptz), CAST(:before_id AS uuid)))
    ORDER BY created_at DESC, id DESC
    LIMIT :limit
  )
) AS entries
ORDER BY at DESC, id DESC
LIMIT :limit;
