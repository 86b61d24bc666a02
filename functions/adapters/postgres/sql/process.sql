-- record_signals --
-- Insert the batch's signals; one that is there already (a redelivery) is left as it is. What many signals have
-- in common comes once, as a meaning. One row: the ids that are new, or null where all of them are.
-- The accounts of new ones exist from then on. Signals in the order of their ids, then accounts in the order of theirs,
-- and none of either after the batch holds accounts, so that two batches never wait for each other: an account that
-- another is just making is waited for, and that one wants nothing more that comes before. First of all it waits while a
-- batch takes events of these tenants back: see hold_tenants.
WITH held AS MATERIALIZED (
  SELECT pg_advisory_xact_lock_shared(20818, key)
  FROM (
    SELECT DISTINCT hashtext(tenant_id) AS key
    FROM json_to_recordset(CAST(:meanings AS json)) AS meant(tenant_id text)
    ORDER BY key
  ) AS keys
),
new AS (
  INSERT INTO signals (
    tenant_id, id, source, source_id, event_type, account_id, contact_id, user_id, signal_type, signal_score,
    side, points, half_life_days, "timestamp", received_at, event, content, words, marks, reasons, sent_account
  )
  SELECT
    tenant_id, id, source, source_id, event_type, account_id, contact_id, user_id, signal_type, signal_score,
    side, points, half_life_days, "timestamp", received_at, event, content, words, marks, reasons, sent_account
  FROM json_to_recordset(CAST(:signals AS json)) AS given(
    meaning integer, id uuid, source_id text, account_id text, contact_id text, user_id text,
    "timestamp" timestamptz, received_at timestamptz, event json, content bytea, words integer[],
    marks bigint[], sent_account text
  )
  JOIN json_to_recordset(CAST(:meanings AS json)) AS meant(
    meaning integer, tenant_id text, source text, event_type text, signal_type text, signal_score numeric,
    side text, points integer, half_life_days integer, reasons json
  ) USING (meaning)
  WHERE (SELECT count(*) FROM held) >= 0
  ORDER BY id
  ON CONFLICT DO NOTHING
  RETURNING tenant_id, account_id, id
),
known AS (
  INSERT INTO accounts (tenant_id, account_id)
  SELECT DISTINCT tenant_id, account_id
  FROM new
  WHERE NOT EXISTS (
    SELECT FROM accounts WHERE accounts.tenant_id = new.tenant_id AND accounts.account_id = new.account_id
  )
  ORDER BY tenant_id, account_id
  ON CONFLICT DO NOTHING
)
SELECT CASE WHEN count(*) < CAST(:given AS integer) THEN coalesce(json_agg(id), CAST('[]' AS json)) END AS ids
FROM new;

-- recorded_contents --
-- The hashes of the contents that the signals of an earlier delivery were made of.
SELECT tenant_id, id, encode(content, 'hex') AS content
FROM signals
JOIN json_to_recordset(CAST(:ids AS json)) AS given(tenant_id text, id uuid) USING (tenant_id, id);

-- recorded_slice --
-- Signals of any tenants, in the order of their numbers, until :most bytes of events are passed: one at least.
-- The length of a text is known without reading the text, however long.
SELECT number, tenant_id, id, account_id, user_id, contact_id, event_type, signal_type, signal_score, points,
       "timestamp", processed_at, metadata, reasons, source, source_id, event, sent_account
FROM (
  SELECT given.number, signals.tenant_id, signals.id, account_id, user_id, contact_id, event_type, signal_type,
         signal_score, points, "timestamp", processed_at, CAST(metadata AS text) AS metadata, reasons, source,
         source_id, sent_account, CAST(event AS text) AS event,
         coalesce(sum(octet_length(coalesce(CAST(event AS text), CAST(metadata AS text)))) OVER (
           ORDER BY given.number ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
         ), 0) AS bytes_before
  FROM signals
  JOIN json_to_recordset(CAST(:ids AS json)) AS given(number integer, tenant_id text, id uuid) USING (tenant_id, id)
) AS found
WHERE bytes_before < CAST(:most AS integer)
ORDER BY number;

-- signals_processed --
-- The signals processed in a stretch of time, the first ones first: :most, and those of the same moment as the last one.
SELECT tenant_id, id, processed_at
FROM signals
WHERE processed_at > :since AND processed_at <= :until
ORDER BY processed_at
FETCH FIRST (CAST(:most AS integer)) ROWS WITH TIES;

-- signals_after --
-- The signals of all tenants in the order of their key, from one on.
SELECT tenant_id, id FROM signals
WHERE (tenant_id, id) > (:tenant_id, CAST(:id AS uuid))
ORDER BY tenant_id, id
LIMIT :most;

-- signals_estimated --
-- About how many signals there are, as of the last vacuum.
SELECT CAST(greatest(reltuples, 0) AS bigint) AS about FROM pg_class WHERE oid = CAST('signals' AS regclass);

-- signals_by_day --
-- How many signals a tenant has of each day.
SELECT to_char("timestamp" AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day, count(*) AS count
FROM signals
WHERE tenant_id = :tenant_id
GROUP BY day;

-- last_processed --
-- When the last signal of a stretch of time was processed.
SELECT max(processed_at) AS at FROM signals WHERE processed_at >= :since AND processed_at < :until;

-- notices_of_events --
-- The notices that events of an earlier delivery led to, or insights that were found with them, as far as somebody is to
-- be told.
WITH given AS (
  SELECT * FROM json_to_recordset(CAST(:ids AS json)) AS given(tenant_id text, id uuid)
),
caused AS (
  SELECT tenant_id, id, id AS cause FROM given
  UNION ALL
  SELECT insights.tenant_id, insights.id, given.id
  FROM insights JOIN given ON insights.tenant_id = given.tenant_id AND insights.found_with = given.id
)
SELECT notices.tenant_id, notices.id, caused.cause
FROM notices
JOIN caused ON notices.tenant_id = caused.tenant_id AND notices.event_id = caused.id
WHERE kind <> 'digest' AND NOT quiet
ORDER BY notices.id;

-- lock_accounts --
-- Lock the accounts of the batch until its end, and return what is known of them. One that another batch has locked
-- comes as that batch leaves it. In a fixed order, so that two batches never wait for each other. An account that was last
-- written before as_of existed (null) is as of the newest of its signals. It also says whether its tenant ever took an
-- event back.
SELECT tenant_id, account_id, merged_into, merged_step, slots, engaged, episodes, days_until, watch, next_due,
       EXISTS (SELECT FROM retractions WHERE retractions.tenant_id = accounts.tenant_id) AS retracts, coalesce(as_of, (
         SELECT max("timestamp") FROM signals
         WHERE signals.tenant_id = accounts.tenant_id AND signals.account_id = accounts.account_id
       ), TIMESTAMPTZ '1970-01-01 00:00:00+00') AS as_of
FROM accounts
JOIN json_to_recordset(CAST(:accounts AS json)) AS given(tenant_id text, account_id text)
  USING (tenant_id, account_id)
ORDER BY tenant_id, account_id
FOR UPDATE OF accounts;

-- load_contacts --
-- Contacts of accounts that the batch holds: those that its events name, and of each account the first by rank. A
-- statement of its own after the lock: before it, another batch may still have been writing them.
SELECT tenant_id, account_id, contact_id, CAST(slots AS text) AS slots, rank, slow, false AS first
FROM contacts
JOIN json_to_recordset(CAST(:named AS json)) AS given(tenant_id text, account_id text, contact_id text)
  USING (tenant_id, account_id, contact_id)
UNION ALL
SELECT given.tenant_id, given.account_id, contact_id, CAST(slots AS text), rank, slow, true
FROM json_to_recordset(CAST(:accounts AS json)) AS given(tenant_id text, account_id text)
CROSS JOIN LATERAL (
  SELECT contact_id, slots, rank, slow
  FROM contacts
  WHERE contacts.tenant_id = given.tenant_id AND contacts.account_id = given.account_id
  ORDER BY slow DESC, rank, contact_id COLLATE "C"
  LIMIT :most
) AS first_ones;

-- load_rules --
-- The newest version of every rule of the batch's tenants that is neither switched off nor deleted.
SELECT DISTINCT ON (rules.tenant_id, rule_id) rules.tenant_id, rule_id, version, definition
FROM rules
JOIN json_to_recordset(CAST(:tenants AS json)) AS given(tenant_id text) USING (tenant_id)
LEFT JOIN rule_states USING (tenant_id, rule_id)
WHERE disabled_at IS NULL AND deleted_at IS NULL
ORDER BY rules.tenant_id, rule_id, version DESC;

-- fold_signals --
-- Add signals to the sums by day: of whole days of accounts, late ones of days that are in them, and those of sums that
-- drop_days has dropped. The batch holds their accounts.
INSERT INTO contact_days AS known (
  tenant_id, account_id, contact_id, day, event_type, side, half_life_days, era, total, events, latest
)
SELECT tenant_id, account_id, coalesce(contact_id, ''), CAST("timestamp" AT TIME ZONE 'UTC' AS date) AS day, event_type,
       side, half_life_days, score_era(half_life_days, "timestamp") AS era,
       sum(score_amount(points, half_life_days, "timestamp")), count(*), max(score_moment("timestamp"))
FROM (
  SELECT signals.*
  FROM json_to_recordset(CAST(:spans AS json)) AS span(tenant_id text, account_id text, since date, until date)
  JOIN signals ON signals.tenant_id = span.tenant_id AND signals.account_id = span.account_id
    AND "timestamp" >= CAST(since AS timestamp) AT TIME ZONE 'UTC'
    AND "timestamp" < CAST(until AS timestamp) AT TIME ZONE 'UTC'
  UNION ALL
  SELECT signals.*
  FROM signals
  JOIN json_to_recordset(CAST(:late AS json)) AS late(tenant_id text, id uuid) USING (tenant_id, id)
  UNION ALL
  SELECT signals.*
  FROM json_to_recordset(CAST(:again AS json)) AS again(
    tenant_id text, account_id text, contact_id text, type text, day date
  )
  JOIN signals ON signals.tenant_id = again.tenant_id AND signals.account_id = again.account_id
    AND coalesce(signals.contact_id, '') = again.contact_id AND event_type = type
    AND "timestamp" >= CAST(day AS timestamp) AT TIME ZONE 'UTC'
    AND "timestamp" < CAST(day + 1 AS timestamp) AT TIME ZONE 'UTC'
) AS found
WHERE points <> 0
GROUP BY tenant_id, account_id, coalesce(contact_id, ''), day, event_type, side, half_life_days, era
ON CONFLICT (tenant_id, account_id, day, contact_id, event_type, side, half_life_days) DO UPDATE
SET total = known.total + excluded.total, events = known.events + excluded.events,
    latest = greatest(known.latest, excluded.latest);

-- load_attributes --
-- What is said of accounts that the batch holds and of their contacts; the empty contact is the account itself.
SELECT tenant_id, account_id, contact_id, attributes
FROM contacts
JOIN json_to_recordset(CAST(:whose AS json)) AS given(tenant_id text, account_id text, contact_id text)
  USING (tenant_id, account_id, contact_id)
UNION ALL
SELECT tenant_id, account_id, contact_id, attributes
FROM accounts
JOIN json_to_recordset(CAST(:whose AS json)) AS given(tenant_id text, account_id text, contact_id text)
  USING (tenant_id, account_id)
WHERE contact_id = '';

-- put_attributes --
-- Store what is said of accounts and contacts. A contact that no event with points has named becomes known by it.
WITH given AS (
  SELECT * FROM json_to_recordset(CAST(:attributes AS json)) AS given(
    tenant_id text, account_id text, contact_id text, attributes json
  )
),
of_accounts AS (
  UPDATE accounts SET attributes = given.attributes
  FROM given
  WHERE contact_id = '' AND accounts.tenant_id = given.tenant_id AND accounts.account_id = given.account_id
)
INSERT INTO contacts (tenant_id, account_id, contact_id, attributes)
SELECT tenant_id, account_id, contact_id, attributes FROM given WHERE contact_id <> ''
ON CONFLICT (tenant_id, account_id, contact_id) DO UPDATE SET attributes = excluded.attributes;

-- put_changes --
-- What a batch led to: notices that are due; accounts that it holds and has changed, with contacts; and its new events, counted
-- against their tenants' months. A row for each notice that is new: about events without an account there may be one
-- already. One statement and the last of a batch, because batches that share an account have waited until its end. Those
-- of the same tenant wait for its months, too: hence these come after the notices, which the result is read from, and
-- the accounts, which only a reading of what is written makes sure of. The rules that had trouble come last, in a fixed
-- order: few batches have any.
WITH written AS (
  UPDATE accounts
  SET slots = given.slots, engaged = given.engaged, episodes = given.episodes, as_of = given.as_of,
      engagement_rank = given.engagement_rank, effort_rank = given.effort_rank, slow = given.slow,
      days_until = given.days_until, watch = given.watch, next_due = given.next_due
  FROM json_to_recordset(CAST(:accounts AS json)) AS given(
    tenant_id text, account_id text, slots json, engaged integer, episodes json, as_of timestamptz,
    engagement_rank smallint, effort_rank smallint, slow boolean, days_until date, watch json, next_due timestamptz
  )
  WHERE accounts.tenant_id = given.tenant_id AND accounts.account_id = given.account_id
  RETURNING accounts.account_id
),
met AS (
  INSERT INTO contacts (tenant_id, account_id, contact_id, slots, rank, slow)
  SELECT tenant_id, account_id, contact_id, slots, rank, slow
  FROM json_to_recordset(CAST(:contacts AS json)) AS given(
    tenant_id text, account_id text, contact_id text, slots json, rank smallint, slow boolean
  )
  ON CONFLICT (tenant_id, account_id, contact_id) DO UPDATE
  SET slots = excluded.slots, rank = excluded.rank, slow = excluded.slow
),
noticed AS (
  INSERT INTO notices (
    tenant_id, id, kind, title, recipient, event_id, rule_id, rule_version, account_id, episode, engagement,
    created_at, quiet
  )
  SELECT tenant_id, id, 'rule', title, recipient, event_id, rule_id, rule_version, account_id, episode, engagement,
         created_at, quiet
  FROM json_to_recordset(CAST(:notices AS json)) AS given(
    tenant_id text, id uuid, title text, recipient text, event_id uuid, rule_id uuid,
    rule_version integer, account_id text, episode integer, engagement numeric, created_at timestamptz,
    quiet boolean
  )
  ORDER BY tenant_id, id
  ON CONFLICT DO NOTHING
  RETURNING id
),
counted AS (
  INSERT INTO usage (tenant_id, month, events)
  SELECT tenant_id, month, events
  FROM json_to_recordset(CAST(:counts AS json)) AS given(tenant_id text, month date, events bigint)
  WHERE (SELECT count(*) FROM written) >= 0
  ORDER BY tenant_id, month
  ON CONFLICT (tenant_id, month) DO UPDATE SET events = usage.events + excluded.events
  RETURNING tenant_id
),
troubled AS (
  INSERT INTO rule_states AS known (tenant_id, rule_id, unanswered, unanswered_because, disabled_at, disabled_because)
  SELECT tenant_id, rule_id, unanswered, why, CASE WHEN stopped IS NOT NULL THEN now() END, stopped
  FROM json_to_recordset(CAST(:troubles AS json)) AS given(
    tenant_id text, rule_id uuid, unanswered bigint, why text, stopped text
  )
  WHERE (SELECT count(*) FROM counted) >= 0
  ORDER BY tenant_id, rule_id
  ON CONFLICT (tenant_id, rule_id) DO UPDATE
  SET unanswered = known.unanswered + excluded.unanswered,
      unanswered_because = coalesce(excluded.unanswered_because, known.unanswered_because),
      disabled_at = coalesce(excluded.disabled_at, known.disabled_at),
      disabled_because = coalesce(excluded.disabled_because, known.disabled_because)
)
SELECT id FROM noticed;

-- forgotten_notices --
-- Notices of a stretch of time that are not sent, and whose next attempt is overdue since its end: what told of them
-- was lost with Redis. What was refused for good or given up is not forgotten, what was summed up is its digest's.
SELECT tenant_id, id
FROM notices
WHERE sent_at IS NULL AND refused_at IS NULL AND digest_id IS NULL AND NOT quiet AND recipient IS NOT NULL
  AND created_at >= :since AND created_at < :until
  AND coalesce(greatest(claimed_until, next_attempt_at), created_at) < :until
ORDER BY created_at DESC
LIMIT :most;
