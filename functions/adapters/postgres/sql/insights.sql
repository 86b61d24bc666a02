-- lock_due --
-- Lock accounts that are due, those that have been for longest first, and return what is known of them: see lock_accounts.
-- One that a batch has locked is passed over. That batch looks at it, or the next tick does.
SELECT tenant_id, account_id, slots, engaged, episodes, days_until, watch, next_due, coalesce(as_of, (
         SELECT max("timestamp") FROM signals
         WHERE signals.tenant_id = accounts.tenant_id AND signals.account_id = accounts.account_id
       ), TIMESTAMPTZ '1970-01-01 00:00:00+00') AS as_of
FROM accounts
WHERE next_due <= CAST(:until AS timestamptz)
ORDER BY next_due
LIMIT :most
FOR UPDATE OF accounts SKIP LOCKED;

-- insights_of_events --
-- The insights that were found with events of an earlier delivery.
SELECT insights.tenant_id, found_with, insights.id
FROM insights
JOIN json_to_recordset(CAST(:ids AS json)) AS given(tenant_id text, id uuid)
  ON insights.tenant_id = given.tenant_id AND found_with = given.id
ORDER BY insights.id;

-- any_due --
-- Whether silence may have changed an insight of any account by a moment.
SELECT EXISTS (SELECT FROM accounts WHERE next_due <= CAST(:until AS timestamptz)) AS due;

-- past_signals --
-- The signals that insights depend on, of an account that the batch holds: at most :most, in no order. Their role is what
-- their event says of the contact's: empty where it takes the role away.
SELECT id, "timestamp", event_type, side, points, half_life_days, contact_id,
       CASE WHEN json_typeof(said) IS NOT NULL THEN coalesce(said #>> '{}', '') END AS role
FROM signals,
LATERAL (
  SELECT CASE WHEN event_type = 'io.sspp.contact.updated' AND json_typeof(event #> '{data,attributes,role}') IS NOT NULL
           THEN event #> '{data,attributes,role}' ELSE event #> '{data,contact,role}' END AS said
) AS saying
WHERE tenant_id = :tenant_id AND account_id = :account_id
  AND side IN ('buyer', 'rep') AND (points <> 0 OR event_type = ANY (CAST(:watched AS text[])))
LIMIT :most;

-- past_insights --
-- All insights of an account that the batch holds.
SELECT tenant_id, account_id, id, kind, contact_id, event_id, opened_at, closed_at, evidence, reasons, undone,
       found_with
FROM insights
WHERE tenant_id = :tenant_id AND account_id = :account_id;

-- put_insights --
-- What began, changed and ended of the insights of accounts that the batch holds. An insight that late events have undone
-- is undone; its signal stays and does not count. One that is found once more has its signal back.
WITH ended AS (
  UPDATE insights SET closed_at = given.at
  FROM json_to_recordset(CAST(:closed AS json)) AS given(tenant_id text, account_id text, kind text, at timestamptz)
  WHERE insights.tenant_id = given.tenant_id AND insights.account_id = given.account_id
    AND insights.kind = given.kind AND insights.closed_at IS NULL
    AND NOT undone
),
found AS (
  INSERT INTO insights (
    tenant_id, id, account_id, contact_id, kind, event_id, opened_at, closed_at, evidence, reasons, undone, found_with
  )
  SELECT
    tenant_id, id, account_id, contact_id, kind, event_id, opened_at, closed_at, evidence, reasons, undone, found_with
  FROM json_to_recordset(CAST(:found AS json)) AS given(
    tenant_id text, id uuid, account_id text, contact_id text, kind text, event_id uuid, opened_at timestamptz,
    closed_at timestamptz, evidence json, reasons json, undone boolean, found_with uuid
  )
  ON CONFLICT (tenant_id, id) DO UPDATE
  SET contact_id = excluded.contact_id, closed_at = excluded.closed_at, evidence = excluded.evidence,
      reasons = excluded.reasons, undone = excluded.undone
)
UPDATE signals SET side = given.side, left_out = given.left_out
FROM json_to_recordset(CAST(:sides AS json)) AS given(tenant_id text, id uuid, side text, left_out smallint)
WHERE signals.tenant_id = given.tenant_id AND signals.id = given.id AND signals.side <> given.side;

-- list_insights --
-- One page of an account's insights, those that are open first, then those that ended last. An end that is not known is
-- in the year 9999 for who asks for the next page.
SELECT CAST(id AS text) AS id, kind, contact_id, CAST(event_id AS text) AS event_id, opened_at, closed_at,
       coalesce(closed_at > CAST(:now AS timestamptz), true) AS open, evidence, reasons,
       coalesce(closed_at, TIMESTAMPTZ '9999-12-31 00:00:00+00') AS ends
FROM insights
WHERE tenant_id = :tenant_id AND account_id = :account_id AND NOT undone
  AND (CAST(:before_at AS timestamptz) IS NULL
       OR (coalesce(closed_at, 'infinity'), id) < (
         CASE WHEN CAST(:before_at AS timestamptz) < TIMESTAMPTZ '9999-12-31 00:00:00+00'
           THEN CAST(:before_at AS timestamptz) ELSE 'infinity' END,
         CAST(:before_id AS uuid)))
ORDER BY coalesce(closed_at, 'infinity') DESC, insights.id DESC
LIMIT :limit OFFSET :offset;

-- count_insights --
-- How many insights an account has, counted up to :looked_at.
SELECT count(*) AS total FROM (
  SELECT FROM insights
  WHERE tenant_id = :tenant_id AND account_id = :account_id AND NOT undone
  LIMIT :looked_at
) AS counted;

-- open_insights --
-- An account's insights that were open at a moment, the latest first.
SELECT CAST(id AS text) AS id, kind, contact_id, CAST(event_id AS text) AS event_id, opened_at, closed_at, true AS open,
       evidence, reasons
FROM insights
WHERE tenant_id = :tenant_id AND account_id = :account_id AND NOT undone
  AND opened_at <= CAST(:at AS timestamptz)
  AND coalesce(closed_at, 'infinity') > CAST(:at AS timestamptz)
ORDER BY opened_at DESC, kind
LIMIT :most;
