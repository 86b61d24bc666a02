-- account_sums --
-- The sums of an account, of all its signals.
SELECT score_sums FROM accounts WHERE tenant_id = :tenant_id AND account_id = :account_id;

-- account_sums_then --
-- The sums of an account's signals until a moment.
SELECT event_type, side, half_life_days, score_era(half_life_days, "timestamp") AS era,
       sum(score_amount(points, half_life_days, "timestamp")) AS total, count(*) AS events,
       max(score_moment("timestamp")) AS latest
FROM signals
WHERE tenant_id = :tenant_id AND account_id = :account_id AND "timestamp" <= CAST(:at AS timestamptz) AND points <> 0
GROUP BY event_type, side, half_life_days, score_era(half_life_days, "timestamp");
