-- hold_tenants --
-- Wait until no other batch records events of these tenants, and let none begin before this one ends. A batch that takes
-- events back does so before anything else: an event either is on record by then, or will meet what is recorded of its
-- retraction. In a fixed order, and of record_signals' kind: it takes the same locks, shared.
SELECT pg_advisory_xact_lock(20818, key) AS held
FROM (
  SELECT DISTINCT hashtext(tenant_id) AS key
  FROM json_to_recordset(CAST(:tenants AS json)) AS given(tenant_id text)
  ORDER BY key
) AS keys;

-- retracted_before --
-- Which of some events were taken back before they came.
SELECT tenant_id, id
FROM retractions
JOIN json_to_recordset(CAST(:ids AS json)) AS given(tenant_id text, id uuid) USING (tenant_id, id);

-- compared --
-- What of a signal others are compared with.
signals.tenant_id, signals.account_id, signals.contact_id, signals.id, signals.event_type, signals.side, signals.points,
signals.half_life_days, signals.left_out, signals.marks, score_moment(signals."timestamp") AS at

-- recorded_facts --
-- Signals by their ids, as they are compared with others.
SELECT
  /* include compared */
FROM signals
JOIN json_to_recordset(CAST(:ids AS json)) AS given(tenant_id text, id uuid) USING (tenant_id, id);

-- stretches --
-- The oldest signals of each stretch of time that is asked about: see functions/domain/neighbours.py. Each way of asking
-- has an index that leads in the order of time, and reads no more than it has to.
SELECT found.*
FROM json_to_recordset(CAST(:of_contacts AS json)) AS given(
  tenant_id text, account_id text, contact_id text, type text, since timestamptz, until timestamptz, hidden smallint,
  most integer
)
CROSS JOIN LATERAL (
  SELECT
    /* include compared */
  FROM signals
  WHERE signals.tenant_id = given.tenant_id AND signals.contact_id = given.contact_id
    AND "timestamp" >= since AND "timestamp" < until
    AND signals.account_id || '' = given.account_id AND event_type = type AND left_out & hidden = 0
  ORDER BY "timestamp", id
  LIMIT most
) AS found
UNION ALL
SELECT found.*
FROM json_to_recordset(CAST(:of_nobody AS json)) AS given(
  tenant_id text, account_id text, type text, since timestamptz, until timestamptz, hidden smallint, most integer
)
CROSS JOIN LATERAL (
  SELECT
    /* include compared */
  FROM signals
  WHERE signals.tenant_id = given.tenant_id AND signals.account_id = given.account_id
    AND "timestamp" >= since AND "timestamp" < until
    AND contact_id IS NULL AND event_type = type AND left_out & hidden = 0
  ORDER BY "timestamp", id
  LIMIT most
) AS found
UNION ALL
SELECT found.*
FROM json_to_recordset(CAST(:of_campaigns AS json)) AS given(
  tenant_id text, account_id text, contact_id text, type text, campaign bigint, hidden smallint, most integer
)
CROSS JOIN LATERAL (
  SELECT
    /* include compared */
  FROM signals
  WHERE signals.tenant_id = given.tenant_id AND signals.account_id = given.account_id AND marks[3] = campaign
    AND signals.contact_id = given.contact_id AND event_type = type AND left_out & hidden = 0
  ORDER BY "timestamp", id
  LIMIT most
) AS found
UNION ALL
SELECT found.*
FROM json_to_recordset(CAST(:of_campaigns AS json)) AS given(
  tenant_id text, account_id text, contact_id text, type text, campaign bigint, hidden smallint, most integer
)
CROSS JOIN LATERAL (
  SELECT
    /* include compared */
  FROM signals
  WHERE given.contact_id IS NULL
    AND signals.tenant_id = given.tenant_id AND signals.account_id = given.account_id AND marks[3] = campaign
    AND signals.contact_id IS NULL AND event_type = type AND left_out & hidden = 0
  ORDER BY "timestamp", id
  LIMIT most
) AS found;

-- move_signals --
-- How signals stand from now on. The batch holds their accounts.
UPDATE signals
SET side = given.side, left_out = given.left_out
FROM json_to_recordset(CAST(:moved AS json)) AS given(tenant_id text, id uuid, side text, left_out smallint)
WHERE signals.tenant_id = given.tenant_id AND signals.id = given.id;

-- put_retractions --
-- What the batch takes back. Of several retractions of an event the first one received stays, whichever comes first.
INSERT INTO retractions AS known (tenant_id, id, at, by, reason, event_id)
SELECT DISTINCT ON (tenant_id, id) tenant_id, id, at, by, reason, event_id
FROM json_to_recordset(CAST(:retractions AS json)) AS given(
  tenant_id text, id uuid, at timestamptz, by text, reason text, event_id uuid
)
ORDER BY tenant_id, id, at, event_id
ON CONFLICT (tenant_id, id) DO UPDATE
SET at = excluded.at, by = excluded.by, reason = excluded.reason, event_id = excluded.event_id
WHERE (excluded.at, excluded.event_id) < (known.at, known.event_id);

-- latest_left --
-- When the latest signal occurred that adds to a sum: an account's, or one of its contacts'.
SELECT number, score_moment(latest) AS latest
FROM json_to_recordset(CAST(:sums AS json)) AS given(
  number integer, tenant_id text, account_id text, contact_id text, type text, side text, half_life_days integer,
  era integer, named boolean, until timestamptz
)
CROSS JOIN LATERAL (
  SELECT "timestamp" AS latest
  FROM signals
  WHERE signals.tenant_id = given.tenant_id AND signals.account_id = given.account_id AND "timestamp" <= until
    AND event_type = type AND signals.side = given.side AND signals.half_life_days = given.half_life_days
    AND points <> 0 AND (signals.contact_id IS NOT NULL) = named
    AND (given.contact_id IS NULL OR signals.contact_id = given.contact_id)
    AND score_era(signals.half_life_days, "timestamp") = era
  ORDER BY "timestamp" DESC
  LIMIT 1
) AS last;

-- drop_days --
-- Sums by day that are added up again, because signals of them stand in another way.
DELETE FROM contact_days
USING json_to_recordset(CAST(:again AS json)) AS given(
  tenant_id text, account_id text, contact_id text, type text, day date
)
WHERE contact_days.tenant_id = given.tenant_id AND contact_days.account_id = given.account_id
  AND contact_days.contact_id = given.contact_id AND contact_days.day = given.day AND event_type = type;
