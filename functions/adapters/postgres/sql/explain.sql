-- first_contacts --
-- An account's contacts, the first by rank. One that is not among them has a lower rank than all that are, unless these
-- are slow.
SELECT json_agg(json_build_array(contact_id, CAST(slots AS text), rank, slow)) AS contacts
FROM (
  SELECT contact_id, slots, rank, slow
  FROM contacts
  WHERE contacts.tenant_id = accounts.tenant_id AND contacts.account_id = accounts.account_id
  ORDER BY slow DESC, rank, contact_id COLLATE "C"
  LIMIT :first
) AS ranked

-- known_account --
-- What is known of an account, of all its signals, and its first contacts.
SELECT slots, engaged, attributes, (
  /* include first_contacts */
) AS contacts
FROM accounts WHERE tenant_id = :tenant_id AND account_id = :account_id;

-- all_contacts --
-- All contacts of an account.
SELECT contact_id, CAST(slots AS text) AS slots, rank, slow FROM contacts WHERE tenant_id = :tenant_id AND account_id = :account_id;

-- sums_then --
-- The sums, by contact, of what had happened to a given account by a moment: of whole days as they are added up, and of
-- single signals since. One statement, so that no signal is in both or in neither. Rows are compared whole, as below.
WITH known AS (
  SELECT least(days_until, CAST(given.at AT TIME ZONE 'UTC' AS date)) AS until
  FROM accounts
  WHERE tenant_id = :tenant_id AND account_id = given.account_id
)
SELECT contact_id, json_agg(json_build_array(event_type, side, half_life_days, era, contact_id <> '', total, events, latest))
         AS slots
FROM (
  SELECT contact_id, event_type, side, half_life_days, era, sum(total) AS total, sum(events) AS events,
         max(latest) AS latest
  FROM (
    SELECT contact_id, event_type, side, half_life_days, era, total, events, latest
    FROM contact_days
    WHERE tenant_id = :tenant_id AND account_id = given.account_id AND day < (SELECT until FROM known)
    UNION ALL
    SELECT coalesce(contact_id, ''), event_type, side, half_life_days, score_era(half_life_days, "timestamp"),
           score_amount(points, half_life_days, "timestamp"), 1, score_moment("timestamp")
    FROM signals
    WHERE tenant_id = :tenant_id AND points <> 0
      AND (account_id, "timestamp") >= (given.account_id, (SELECT CAST(until AS timestamp) AT TIME ZONE 'UTC' FROM known))
      AND (account_id, "timestamp") <= (given.account_id, given.at)
  ) AS parts
  GROUP BY contact_id, event_type, side, half_life_days, era
) AS summed
GROUP BY contact_id;

-- account_then --
-- The same of one account.
SELECT sums.contact_id, sums.slots
FROM (SELECT CAST(:account_id AS text) AS account_id, CAST(:at AS timestamptz) AS at) AS given
CROSS JOIN LATERAL (
  /* include sums_then */
) AS sums;

-- sums_since --
-- The sums of an account, by contact, of what has happened after a moment: of whole days as they are added up, and of
-- single signals before and after those. Rows are compared whole, which the index by account alone can serve: the one by
-- time would lead through the signals of all accounts.
SELECT json_agg(json_build_array(contact_id, event_type, side, half_life_days, era, contact_id <> '', total, events, 0)) AS since
FROM (
  SELECT contact_id, event_type, side, half_life_days, era, sum(total) AS total, sum(events) AS events
  FROM (
    SELECT contact_id, event_type, side, half_life_days, era, total, events
    FROM contact_days
    WHERE contact_days.tenant_id = accounts.tenant_id AND contact_days.account_id = accounts.account_id
      AND day > CAST(CAST(:since AS timestamptz) AT TIME ZONE 'UTC' AS date) AND day < accounts.days_until
    UNION ALL
    SELECT coalesce(contact_id, ''), event_type, side, half_life_days, score_era(half_life_days, "timestamp"),
           score_amount(points, half_life_days, "timestamp"), 1
    FROM signals
    WHERE signals.tenant_id = accounts.tenant_id AND signals.account_id = accounts.account_id AND points <> 0
      AND (account_id, "timestamp") > (accounts.account_id, CAST(:since AS timestamptz))
      AND (account_id, "timestamp") < (accounts.account_id, CAST(:next_day AS timestamptz))
    UNION ALL
    SELECT coalesce(contact_id, ''), event_type, side, half_life_days, score_era(half_life_days, "timestamp"),
           score_amount(points, half_life_days, "timestamp"), 1
    FROM signals
    WHERE signals.tenant_id = accounts.tenant_id AND signals.account_id = accounts.account_id AND points <> 0
      AND (account_id, "timestamp") >= (accounts.account_id, greatest(
            CAST(accounts.days_until AS timestamp) AT TIME ZONE 'UTC', CAST(:next_day AS timestamptz)))
  ) AS parts
  GROUP BY contact_id, event_type, side, half_life_days, era
) AS summed

-- account_since --
-- The sums of one account since a moment.
SELECT (
  /* include sums_since */
) AS since
FROM accounts WHERE tenant_id = :tenant_id AND account_id = :account_id;

-- account_timeline --
-- The sums of an account by day and by contact, for the days between two moments, both midnights in UTC.
WITH known AS (
  SELECT days_until AS until FROM accounts WHERE tenant_id = :tenant_id AND account_id = :account_id
)
SELECT day, contact_id,
       json_agg(json_build_array(event_type, side, half_life_days, era, contact_id <> '', total, events, latest)) AS slots
FROM (
  SELECT day, contact_id, event_type, side, half_life_days, era, total, events, latest
  FROM contact_days
  WHERE tenant_id = :tenant_id AND account_id = :account_id AND day < (SELECT until FROM known)
    AND day >= CAST(CAST(:since AS timestamptz) AT TIME ZONE 'UTC' AS date)
    AND day < CAST(CAST(:until AS timestamptz) AT TIME ZONE 'UTC' AS date)
  UNION ALL
  SELECT CAST("timestamp" AT TIME ZONE 'UTC' AS date) AS day, coalesce(contact_id, ''), event_type, side,
         half_life_days, score_era(half_life_days, "timestamp"),
         sum(score_amount(points, half_life_days, "timestamp")), count(*), max(score_moment("timestamp"))
  FROM signals
  WHERE tenant_id = :tenant_id AND account_id = :account_id AND points <> 0
    AND "timestamp" >= (SELECT greatest(CAST(until AS timestamp) AT TIME ZONE 'UTC', :since) FROM known)
    AND "timestamp" < CAST(:until AS timestamptz)
  GROUP BY 1, 2, 3, 4, 5, 6
) AS parts
GROUP BY day, contact_id
ORDER BY day;

-- contacts_by_rank --
-- The next contacts of an account, from a place in its ranking on, the highest rank first.
SELECT contact_id, rank, slots, attributes
FROM contacts
WHERE tenant_id = :tenant_id AND account_id = :account_id AND slow = CAST(:slow AS boolean)
  AND (rank, contact_id COLLATE "C") > (CAST(:after_rank AS smallint), CAST(:after_id AS text))
ORDER BY rank, contact_id COLLATE "C"
LIMIT :limit;

-- count_contacts --
-- How many contacts an account has, counted up to :most.
SELECT count(*) AS total FROM (
  SELECT FROM contacts WHERE tenant_id = :tenant_id AND account_id = :account_id LIMIT :most
) AS counted;
