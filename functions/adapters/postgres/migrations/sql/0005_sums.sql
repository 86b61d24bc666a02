-- An account's score sums move into its own row: a batch holds that row anyway, and reads and writes one value of
-- it instead of a row for each sum. The lock lets batches that are under way end, and their sums be seen.
LOCK TABLE account_sums IN ACCESS EXCLUSIVE MODE;

-- [side, half-life in days, era, total] of each sum. A total is whole, in 2^-20 points as of the era's beginning:
-- functions/domain/score.py. json, because a total may have more digits than a float.
ALTER TABLE accounts ADD COLUMN sums json NOT NULL DEFAULT '[]';

UPDATE accounts
SET sums = (
  SELECT json_agg(json_build_array(side, half_life_days, era, total) ORDER BY side, half_life_days, era)
  FROM account_sums
  WHERE account_sums.tenant_id = accounts.tenant_id AND account_sums.account_id = accounts.account_id
)
WHERE EXISTS (
  SELECT FROM account_sums
  WHERE account_sums.tenant_id = accounts.tenant_id AND account_sums.account_id = accounts.account_id
);

DROP TABLE account_sums;
