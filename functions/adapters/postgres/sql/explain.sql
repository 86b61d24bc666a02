-- account_sums --
-- The sums of an account, of all its signals.
SELECT score_sums FROM accounts WHERE tenant_id = :tenant_id AND account_id = :account_id;

-- account_sums_then --
-- The sums of what had happened to an account by a moment: of whole days as they are added up, and of single signals
-- since. One statement, so that no signal is in both or in neither.
WITH known AS (
  SELECT least(days_until, CAST(CAST(:at AS timestamptz) AT TIME ZONE 'UTC' AS date)) AS until
  FROM accounts
  WHERE tenant_id = :tenant_id AND account_id = :account_id
)
SELECT event_type, side, half_life_days, era, sum(total) AS total, sum(events) AS events, max(latest) AS latest
FROM (
  SELECT event_type, side, half_life_days, era, total, events, latest
  FROM account_days
  WHERE tenant_id = :tenant_id AND account_id = :account_id AND day < (SELECT until FROM known)
  UNION ALL
  SELECT event_type, side, half_life_days, score_era(half_life_days, "timestamp"),
         score_amount(points, half_life_days, "timestamp"), 1, score_moment("timestamp")
  FROM signals
  WHERE tenant_id = :tenant_id AND account_id = :account_id AND points <> 0
    AND "timestamp" >= (SELECT CAST(until AS timestamp) AT TIME ZONE 'UTC' FROM known)
    AND "timestamp" <= CAST(:at AS timestamptz)
) AS parts
GROUP BY event_type, side, half_life_days, era;

-- account_timeline --
-- The sums of an account by day, for the days between two moments, both midnights in UTC.
WITH known AS (
  SELECT days_until AS until FROM accounts WHERE tenant_id = :tenant_id AND account_id = :account_id
)
SELECT day, json_agg(json_build_array(event_type, side, half_life_days, era, total, events, latest)) AS score_sums
FROM (
  SELECT day, event_type, side, half_life_days, era, total, events, latest
  FROM account_days
  WHERE tenant_id = :tenant_id AND account_id = :account_id AND day < (SELECT until FROM known)
    AND day >= CAST(CAST(:since AS timestamptz) AT TIME ZONE 'UTC' AS date)
    AND day < CAST(CAST(:until AS timestamptz) AT TIME ZONE 'UTC' AS date)
  UNION ALL
  SELECT CAST("timestamp" AT TIME ZONE 'UTC' AS date) AS day, event_type, side, half_life_days,
         score_era(half_life_days, "timestamp"), sum(score_amount(points, half_life_days, "timestamp")), count(*),
         max(score_moment("timestamp"))
  FROM signals
  WHERE tenant_id = :tenant_id AND account_id = :account_id AND points <> 0
    AND "timestamp" >= (SELECT greatest(CAST(until AS timestamp) AT TIME ZONE 'UTC', :since) FROM known)
    AND "timestamp" < CAST(:until AS timestamptz)
  GROUP BY 1, 2, 3, 4, 5
) AS parts
GROUP BY day
ORDER BY day;

-- account_contacts --
-- The sums of an account by contact, of the most recent ones.
WITH known AS (
  SELECT days_until AS until FROM accounts WHERE tenant_id = :tenant_id AND account_id = :account_id
)
SELECT contact_id, json_agg(json_build_array(event_type, side, half_life_days, era, total, events, latest)) AS score_sums
FROM (
  SELECT contact_id, event_type, side, half_life_days, era, sum(total) AS total, sum(events) AS events,
         max(latest) AS latest
  FROM (
    SELECT contact_id, event_type, side, half_life_days, era, total, events, latest
    FROM contact_sums
    WHERE tenant_id = :tenant_id AND account_id = :account_id
    UNION ALL
    SELECT contact_id, event_type, side, half_life_days, score_era(half_life_days, "timestamp"),
           score_amount(points, half_life_days, "timestamp"), 1, score_moment("timestamp")
    FROM signals
    WHERE tenant_id = :tenant_id AND account_id = :account_id AND points <> 0 AND contact_id IS NOT NULL
      AND "timestamp" >= (SELECT CAST(until AS timestamp) AT TIME ZONE 'UTC' FROM known)
  ) AS parts
  GROUP BY contact_id, event_type, side, half_life_days, era
) AS summed
GROUP BY contact_id
ORDER BY max(latest) DESC, contact_id COLLATE "C"
LIMIT :most;
