-- make_accounts --
-- Accounts exist from then on: one that no event has named yet can be merged, too.
INSERT INTO accounts (tenant_id, account_id)
SELECT :tenant_id, name FROM unnest(CAST(:names AS text[])) AS given(name)
ORDER BY name
ON CONFLICT DO NOTHING;

-- account_families --
-- The accounts that are one customer with some, and these.
SELECT account_id
FROM accounts
WHERE tenant_id = :tenant_id AND coalesce(merged_into, account_id) IN (
  SELECT coalesce(merged_into, account_id) FROM accounts
  WHERE tenant_id = :tenant_id AND account_id = ANY(CAST(:names AS text[]))
);

-- count_signals_of --
-- How many signals some accounts have, counted up to :most.
SELECT count(*) AS total FROM (
  SELECT FROM signals WHERE tenant_id = :tenant_id AND account_id = ANY(CAST(:accounts AS text[])) LIMIT :most
) AS counted;

-- account_names --
-- The accounts that one counts for, and which each was merged into.
SELECT account_id, merged_step AS into
FROM accounts
WHERE tenant_id = :tenant_id AND merged_into = :account_id
ORDER BY account_id;

-- shared_domains --
-- The domains of accounts and of their contacts' addresses that several accounts have: of the first accounts and contacts.
WITH domains AS (
  (SELECT lower(substring(contact_id FROM '@(.*)$')) AS domain, account_id, 1 AS contacts
   FROM contacts WHERE tenant_id = :tenant_id
   ORDER BY account_id, contact_id
   LIMIT :looked_at)
  UNION ALL
  (SELECT lower(attributes -> 'domain' ->> 0), account_id, 0
   FROM accounts WHERE tenant_id = :tenant_id AND merged_into IS NULL
   ORDER BY account_id
   LIMIT :looked_at)
),
counted AS (
  SELECT domain, account_id, sum(contacts) AS contacts, count(*) OVER (PARTITION BY domain) AS accounts
  FROM domains
  WHERE domain <> ''
  GROUP BY domain, account_id
)
SELECT domain, account_id, CAST(contacts AS integer) AS contacts
FROM counted
WHERE accounts > 1
ORDER BY domain, account_id
LIMIT :looked_at;

-- count_elsewhere --
-- Let the signals of an account count for another: those of events that name an account of a family. Searches find them by
-- the other account once the clock has written their words anew.
UPDATE signals
SET account_id = :into, sent_account = nullif(coalesce(sent_account, account_id), :into), words = NULL
WHERE tenant_id = :tenant_id AND account_id = :account
  AND coalesce(sent_account, account_id) = ANY(CAST(:family AS text[]))
RETURNING id, contact_id;

-- put_merges --
-- Which accounts count for others now.
UPDATE accounts
SET merged_into = given.merged_into, merged_step = given.merged_step
FROM json_to_recordset(CAST(:merges AS json)) AS given(account_id text, merged_into text, merged_step text)
WHERE accounts.tenant_id = :tenant_id AND accounts.account_id = given.account_id;

-- forget_sums --
-- Forget what accounts that are locked add up to, and what is said of them: all of it is made anew of their signals.
WITH people AS (
  DELETE FROM contacts WHERE tenant_id = :tenant_id AND account_id = ANY(CAST(:accounts AS text[]))
),
days AS (
  DELETE FROM contact_days WHERE tenant_id = :tenant_id AND account_id = ANY(CAST(:accounts AS text[]))
)
UPDATE accounts SET days_until = DATE '0001-01-01', attributes = '{}'
WHERE tenant_id = :tenant_id AND account_id = ANY(CAST(:accounts AS text[]));

-- facts_of_account --
-- What of an account's signals others are compared with, in the order of time.
SELECT
  /* include compared */
FROM signals
WHERE tenant_id = :tenant_id AND account_id = :account_id AND points <> 0
ORDER BY "timestamp", id;

-- signals_that_say --
-- The signals of an account that may say something of it or of its contacts.
SELECT id, event_type, contact_id, "timestamp", event
FROM signals
WHERE tenant_id = :tenant_id AND account_id = :account_id AND event IS NOT NULL
  AND (signal_type = 'attributes' OR event -> 'data' -> 'contact' IS NOT NULL OR event -> 'data_base64' IS NOT NULL);
