-- An account's sums, one for each event type: the score and its reasons are the same numbers. And its ranks.

-- What a signal adds to its account's sums, as functions/domain/score.py: which era it counts in, and how much in
-- 2^-20 points as of the beginning of that era.
CREATE FUNCTION score_half_lives(half_life_days integer, at timestamptz) RETURNS double precision
  LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
  RETURN CAST(extract(epoch FROM at - TIMESTAMPTZ '2025-01-01 00:00:00+00') * 1000000 AS double precision)
    / CAST(half_life_days * 86400000000 AS double precision);

CREATE FUNCTION score_era(half_life_days integer, at timestamptz) RETURNS integer
  LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
  RETURN CAST(floor(score_half_lives(half_life_days, at) / 32) AS integer);

CREATE FUNCTION score_amount(points integer, half_life_days integer, at timestamptz) RETURNS bigint
  LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
  RETURN CAST(round(points * power(CAST(2 AS double precision),
    score_half_lives(half_life_days, at) - score_era(half_life_days, at) * 32 + 20)) AS bigint);

-- Microseconds since 2025-01-01.
CREATE FUNCTION score_moment(at timestamptz) RETURNS bigint
  LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
  RETURN CAST(extract(epoch FROM at - TIMESTAMPTZ '2025-01-01 00:00:00+00') * 1000000 AS bigint);

-- Batches that are under way end, and what they wrote is seen.
LOCK TABLE accounts IN ACCESS EXCLUSIVE MODE;

-- The new column has another name than the old one, so that a part of the earlier release that is still running gets
-- an error and tries again later, instead of reading what it does not understand.
ALTER TABLE accounts
  -- [type, side, half-life in days, era, total, events, latest] of each sum: functions/domain/score.py. json, because
  -- a total may have more digits than a float.
  ADD COLUMN score_sums json NOT NULL DEFAULT '[]',
  -- functions/domain/ranking.py: the smaller, the higher.
  ADD COLUMN engagement_rank smallint NOT NULL DEFAULT 32767,
  ADD COLUMN effort_rank smallint NOT NULL DEFAULT 32767,
  ADD COLUMN slow boolean NOT NULL DEFAULT false;

-- What the signals do not account for stays, so that no score changes: as the sum of a type of its own.
WITH counted AS (
  SELECT tenant_id, account_id, event_type, side, half_life_days, score_era(half_life_days, "timestamp") AS era,
         sum(score_amount(points, half_life_days, "timestamp")) AS total, count(*) AS events,
         max(score_moment("timestamp")) AS latest
  FROM signals
  WHERE points <> 0
  GROUP BY tenant_id, account_id, event_type, side, half_life_days, score_era(half_life_days, "timestamp")
),
kept AS (
  SELECT tenant_id, account_id, one ->> 0 AS side, CAST(one ->> 1 AS integer) AS half_life_days,
         CAST(one ->> 2 AS integer) AS era, CAST(one ->> 3 AS numeric) AS total
  FROM accounts, json_array_elements(sums) AS one
),
missing AS (
  SELECT tenant_id, account_id, 'earlier' AS event_type, side, half_life_days, era,
         coalesce(kept.total, 0) - coalesce(explained.total, 0) AS total, 0 AS events, coalesce(latest, 0) AS latest
  FROM kept
  FULL JOIN (
    SELECT tenant_id, account_id, side, half_life_days, era, sum(total) AS total, max(latest) AS latest
    FROM counted
    GROUP BY tenant_id, account_id, side, half_life_days, era
  ) AS explained USING (tenant_id, account_id, side, half_life_days, era)
  WHERE coalesce(kept.total, 0) <> coalesce(explained.total, 0)
),
parts AS (SELECT * FROM counted UNION ALL SELECT * FROM missing)
UPDATE accounts SET score_sums = listed.score_sums
FROM (
  SELECT tenant_id, account_id,
         json_agg(json_build_array(event_type, side, half_life_days, era, total, events, latest)
                  ORDER BY event_type, side, half_life_days, era) AS score_sums
  FROM parts
  GROUP BY tenant_id, account_id
) AS listed
WHERE accounts.tenant_id = listed.tenant_id AND accounts.account_id = listed.account_id;

ALTER TABLE accounts DROP COLUMN sums;

-- Ranks as functions/domain/ranking.py has them. PostgreSQL refuses to round to zero, hence the bounded exponent.
WITH positive AS (
  SELECT tenant_id, account_id, one ->> 1 AS side, CAST(one ->> 2 AS integer) AS half_life_days,
         CAST(one ->> 3 AS integer) AS era, CAST(one ->> 4 AS double precision) AS total,
         max(CAST(one ->> 6 AS bigint)) OVER (PARTITION BY tenant_id, account_id) / 86400000000.0 AS newest_days
  FROM accounts, json_array_elements(score_sums) AS one
),
faded AS (
  SELECT tenant_id, account_id, newest_days, bool_or(half_life_days > 90) AS slow,
         sum(points) FILTER (WHERE side = 'buyer') AS buyer, sum(points) FILTER (WHERE side = 'rep') AS rep
  FROM positive,
    LATERAL (SELECT total * power(CAST(2 AS double precision),
               greatest(-900, era * 32 - 20 - newest_days / half_life_days)) AS points) AS at_newest
  WHERE total > 0
  GROUP BY tenant_id, account_id, newest_days
)
UPDATE accounts
SET slow = faded.slow,
    engagement_rank = coalesce(-ceil(log(2, CAST(buyer AS numeric)) + newest_days / pace_days + 0.000001), 32767),
    effort_rank = coalesce(-ceil(log(2, CAST(rep AS numeric)) + newest_days / pace_days + 0.000001), 32767)
FROM faded, LATERAL (SELECT CASE WHEN faded.slow THEN 3650 ELSE 90 END AS pace_days) AS pace
WHERE accounts.tenant_id = faded.tenant_id AND accounts.account_id = faded.account_id;

-- Rankings: read from the top. Changed only when a rank is; room on each page keeps other updates from the indexes.
CREATE INDEX accounts_by_engagement ON accounts (tenant_id, slow, engagement_rank, account_id COLLATE "C");
CREATE INDEX accounts_by_effort ON accounts (tenant_id, slow, effort_rank, account_id COLLATE "C");
ALTER TABLE accounts SET (fillfactor = 80);
