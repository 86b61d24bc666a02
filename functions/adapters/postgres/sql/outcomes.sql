-- newest_outcomes --
-- The newest outcome of each account, of the newest :most outcomes; and how many those are, of whichever account.
WITH newest AS (
  SELECT account_id, event_type, "timestamp", id
  FROM signals
  WHERE tenant_id = :tenant_id AND event_type IN ('io.sspp.deal.won', 'io.sspp.deal.lost') AND side = 'buyer'
    AND account_id <> 'unassigned'
  ORDER BY "timestamp" DESC, id DESC
  LIMIT :most
)
SELECT DISTINCT ON (account_id) account_id, event_type, "timestamp" AS at, (SELECT count(*) FROM newest) AS met
FROM newest
ORDER BY account_id, "timestamp" DESC, id DESC;

-- accounts_then --
-- The same as account_then of several accounts, each by a moment of its own.
SELECT given.account_id, sums.contact_id, sums.slots
FROM json_to_recordset(CAST(:accounts AS json)) AS given(account_id text, at timestamptz)
CROSS JOIN LATERAL (
  /* include sums_then */
) AS sums;

-- accounts_drawn --
-- Accounts as if drawn by lot, always the same ones first.
SELECT account_id, slots, engaged, attributes, (
  /* include first_contacts */
) AS contacts
FROM accounts
WHERE tenant_id = :tenant_id AND merged_into IS NULL
ORDER BY hashtext(account_id)
LIMIT :most;
