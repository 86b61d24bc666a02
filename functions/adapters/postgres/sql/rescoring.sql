-- rescore_next --
-- The next accounts of a tenant, from one on. Those that were merged into others have no signals.
SELECT account_id FROM accounts
WHERE tenant_id = :tenant_id AND account_id > CAST(:after AS text) AND merged_into IS NULL
ORDER BY account_id
LIMIT :most

-- rescore_lock --
-- The same, held, in the order in which batches hold them.
/* include rescore_next */
FOR UPDATE;

-- rescore_block --
-- What is known of accounts, and their first contacts.
SELECT account_id, slots, engaged, attributes, (
  /* include first_contacts */
) AS contacts
FROM json_to_recordset(CAST(:accounts AS json)) AS given(account_id text)
JOIN accounts USING (account_id)
WHERE tenant_id = :tenant_id;

-- rescore_worth --
-- What an event is worth from now on, where it occurred since a moment.
json_to_recordset(CAST(:worth AS json)) AS worth(event_type text, points integer, half_life_days integer)

-- rescore_changed --
-- How many signals of accounts would be worth something else.
SELECT count(*) AS signals
FROM json_to_recordset(CAST(:accounts AS json)) AS given(account_id text)
JOIN signals USING (account_id)
JOIN /* include rescore_worth */ USING (event_type)
WHERE tenant_id = :tenant_id AND "timestamp" >= CAST(:since AS timestamptz)
  AND (signals.points, signals.half_life_days) <> (worth.points, worth.half_life_days);

-- rescore_sums --
-- The sums of accounts by contact, as they would be.
SELECT account_id, contact_id,
       json_agg(json_build_array(event_type, side, half_life_days, era, contact_id <> '', total, events, latest)) AS slots
FROM (
  SELECT account_id, contact_id, event_type, side, half_life_days, score_era(half_life_days, "timestamp") AS era,
         sum(score_amount(points, half_life_days, "timestamp")) AS total, count(*) AS events,
         max(score_moment("timestamp")) AS latest
  FROM (
    SELECT account_id, coalesce(contact_id, '') AS contact_id, signals.event_type, side, "timestamp",
           coalesce(worth.points, signals.points) AS points,
           coalesce(worth.half_life_days, signals.half_life_days) AS half_life_days
    FROM json_to_recordset(CAST(:accounts AS json)) AS given(account_id text)
    JOIN signals USING (account_id)
    LEFT JOIN /* include rescore_worth */
      ON worth.event_type = signals.event_type AND "timestamp" >= CAST(:since AS timestamptz)
    WHERE tenant_id = :tenant_id
  ) AS anew
  WHERE points <> 0
  GROUP BY account_id, contact_id, event_type, side, half_life_days, era
) AS summed
GROUP BY account_id, contact_id;

-- rescore_signals --
-- Let the signals of accounts be worth what they are now.
UPDATE signals SET points = worth.points, half_life_days = worth.half_life_days
FROM json_to_recordset(CAST(:accounts AS json)) AS given(account_id text), /* include rescore_worth */
WHERE tenant_id = :tenant_id AND signals.account_id = given.account_id AND signals.event_type = worth.event_type
  AND "timestamp" >= CAST(:since AS timestamptz)
  AND (signals.points, signals.half_life_days) <> (worth.points, worth.half_life_days);

-- rescore_drop_days --
-- Forget the sums by day of accounts.
DELETE FROM contact_days USING json_to_recordset(CAST(:accounts AS json)) AS given(account_id text)
WHERE tenant_id = :tenant_id AND contact_days.account_id = given.account_id;

-- rescore_add_days --
-- Add the signals of accounts up by day again, of the days that are to be.
INSERT INTO contact_days (
  tenant_id, account_id, contact_id, day, event_type, side, half_life_days, era, total, events, latest
)
SELECT tenant_id, account_id, coalesce(contact_id, ''), CAST("timestamp" AT TIME ZONE 'UTC' AS date) AS day, event_type,
       side, half_life_days, score_era(half_life_days, "timestamp") AS era,
       sum(score_amount(points, half_life_days, "timestamp")), count(*), max(score_moment("timestamp"))
FROM json_to_recordset(CAST(:accounts AS json)) AS given(account_id text)
JOIN signals USING (account_id)
JOIN accounts USING (tenant_id, account_id)
WHERE tenant_id = :tenant_id AND points <> 0 AND "timestamp" < CAST(days_until AS timestamp) AT TIME ZONE 'UTC'
GROUP BY tenant_id, account_id, coalesce(contact_id, ''), day, event_type, side, half_life_days, era;

-- rescore_accounts --
-- Write the sums of accounts.
UPDATE accounts
SET slots = given.slots, engaged = given.engaged, engagement_rank = given.engagement_rank,
    effort_rank = given.effort_rank, slow = given.slow
FROM json_to_recordset(CAST(:rows AS json)) AS given(
  account_id text, slots json, engaged integer, engagement_rank smallint, effort_rank smallint, slow boolean
)
WHERE tenant_id = :tenant_id AND accounts.account_id = given.account_id;

-- rescore_clear_contacts --
-- Forget the sums of all contacts of accounts.
UPDATE contacts SET slots = '[]', rank = 32767, slow = false
FROM json_to_recordset(CAST(:accounts AS json)) AS given(account_id text)
WHERE tenant_id = :tenant_id AND contacts.account_id = given.account_id;

-- rescore_contacts --
-- Write the sums of contacts.
INSERT INTO contacts (tenant_id, account_id, contact_id, slots, rank, slow)
SELECT :tenant_id, account_id, contact_id, slots, rank, slow
FROM json_to_recordset(CAST(:rows AS json)) AS given(
  account_id text, contact_id text, slots json, rank smallint, slow boolean
)
ON CONFLICT (tenant_id, account_id, contact_id) DO UPDATE
SET slots = excluded.slots, rank = excluded.rank, slow = excluded.slow;
