-- An account's score sums and episodes move into its own row: a batch holds that row anyway, and reads and writes it
-- alone instead of a row for each sum and each rule. The locks let batches that are under way end, and what they
-- wrote be seen.
LOCK TABLE account_sums, rule_episodes IN ACCESS EXCLUSIVE MODE;

ALTER TABLE accounts
  -- [side, half-life in days, era, total] of each sum. A total is whole, in 2^-20 points as of the era's beginning:
  -- functions/domain/score.py. json, because a total may have more digits than a float.
  ADD COLUMN sums json NOT NULL DEFAULT '[]',
  -- The id of each rule that ever had an episode -> [number, open, opened at] of its latest.
  ADD COLUMN episodes json NOT NULL DEFAULT '{}';

UPDATE accounts
SET sums = coalesce((
      SELECT json_agg(json_build_array(side, half_life_days, era, total) ORDER BY side, half_life_days, era)
      FROM account_sums
      WHERE account_sums.tenant_id = accounts.tenant_id AND account_sums.account_id = accounts.account_id
    ), '[]'),
    episodes = coalesce((
      SELECT json_object_agg(rule_id, json_build_array(number, open, opened_at))
      FROM rule_episodes
      WHERE rule_episodes.tenant_id = accounts.tenant_id AND rule_episodes.account_id = accounts.account_id
        AND number > 0
    ), '{}');

DROP TABLE account_sums, rule_episodes;
