-- contributions --
-- What an account's score of one side is made of at a moment: every event type that adds or takes, with what
-- is left of its points, the strongest first. Events that have faded to under a millionth are left out.
SELECT event_type, count(*) AS events, max("timestamp") AS latest,
       sum(points * power(CAST(0.5 AS double precision),
         extract(epoch FROM (CAST(:at AS timestamptz) - "timestamp")) / (86400.0 * half_life_days))) AS points_now
FROM signals
WHERE tenant_id = :tenant_id AND account_id = :account_id AND side = :side
  AND "timestamp" <= CAST(:at AS timestamptz)
  AND "timestamp" > CAST(:at AS timestamptz) - make_interval(days => 32 * half_life_days)
GROUP BY event_type
ORDER BY abs(sum(points * power(CAST(0.5 AS double precision),
         extract(epoch FROM (CAST(:at AS timestamptz) - "timestamp")) / (86400.0 * half_life_days)))) DESC;
