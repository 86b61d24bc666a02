-- search_walked --
-- The signals that a walk passes. An account has an index in the order of time, so it is part of the walk.
tenant_id = :tenant_id
AND (CAST(:account_id AS text) IS NULL OR account_id = CAST(:account_id AS text))
AND (CAST(:since AS timestamptz) IS NULL OR "timestamp" >= CAST(:since AS timestamptz))
AND (CAST(:until AS timestamptz) IS NULL OR "timestamp" < CAST(:until AS timestamptz))

-- search_hit --
-- Whether a signal of the walk has all hashes and fits the other filters; one that is null does not filter. Insights as
-- for signals_fit.
(CAST(:asked AS integer[]) = '{}' OR words @> CAST(:asked AS integer[]))
AND (CAST(:user_id AS text) IS NULL OR user_id = CAST(:user_id AS text))
AND (CAST(:contact_id AS text) IS NULL OR contact_id = CAST(:contact_id AS text))
AND (CAST(:event_type AS text) IS NULL OR event_type = CAST(:event_type AS text))
AND (CAST(:signal_type AS text) IS NULL OR signal_type = CAST(:signal_type AS text))
AND (signal_type <> 'insight' OR CAST(:signal_type AS text) IS NOT NULL OR CAST(:event_type AS text) IS NOT NULL)

-- search_newest --
-- Walk the newest signals from a place in that order on, and return the first hits among them. One row: how many were
-- walked, how many of them are hits, over how many pages of the table they are spread, the ids of the first hits, and
-- where the walk ended. An account has an index in
-- this order, so it decides what is walked; a NULL parameter asks for nothing.
WITH walked AS MATERIALIZED (
  SELECT id, "timestamp", ctid AS place,
         /* include search_hit */ AS hit
  FROM signals
  WHERE /* include search_walked */
    AND (CAST(:after_timestamp AS timestamptz) IS NULL
         OR ("timestamp", id) < (CAST(:after_timestamp AS timestamptz), CAST(:after_id AS uuid)))
  ORDER BY "timestamp" DESC, id DESC
  LIMIT CAST(:walk AS bigint)
)
SELECT count(*) AS walked, count(*) FILTER (WHERE hit) AS hits,
       coalesce((CAST(CAST(max(place) AS text) AS point))[0] - (CAST(CAST(min(place) AS text) AS point))[0], 0) AS pages,
       ARRAY(SELECT id FROM walked WHERE hit ORDER BY "timestamp" DESC, id DESC LIMIT CAST(:limit AS integer)) AS ids,
       min("timestamp") AS last_timestamp,
       (SELECT id FROM walked ORDER BY "timestamp", id LIMIT 1) AS last_id
FROM walked;

-- search_counts --
-- Count the hits: those among the newest :walk signals, newest first, and those that the index has, in no order. One
-- of the two is 0. Not more than :most and one, of which :most are counted by values; none of those that the index has
-- where it has more, because they are not the newest. One row a count, most frequent values first; what is total, day,
-- the name of a facet, or page: the ids of a page of the hits.
WITH hits AS MATERIALIZED (
  SELECT * FROM (
    SELECT id, "timestamp", account_id, event_type, signal_type
    FROM (
      SELECT id, "timestamp", account_id, event_type, signal_type,
             /* include search_hit */ AS hit
      FROM signals
      WHERE /* include search_walked */
      ORDER BY "timestamp" DESC, id DESC
      LIMIT CAST(:walk AS bigint)
    ) AS walked
    WHERE hit
    UNION ALL
    SELECT *
    FROM find_signals(
      CAST(:asked AS integer[]), :account_id, :user_id, :contact_id, :event_type, :signal_type,
      CAST(:since AS timestamptz), CAST(:until AS timestamptz), CAST(:indexed AS integer)
    )
  ) AS both_ways
  LIMIT CAST(:most AS integer) + 1
),
counted AS (
  SELECT GROUPING(day, signal_type, event_type, account_id) AS which, day, signal_type, event_type, account_id,
         count(*) AS count
  FROM (
    SELECT CAST("timestamp" AT TIME ZONE 'UTC' AS date) AS day, signal_type, event_type, account_id
    FROM hits
    WHERE CAST(:facets AS boolean) AND (CAST(:indexed AS integer) = 0 OR NOT (SELECT count(*) FROM hits) > :most)
    LIMIT CAST(:most AS integer)
  ) AS valued
  GROUP BY GROUPING SETS (day, signal_type, event_type, account_id)
)
SELECT 'total' AS what, '' AS value, count(*) AS count FROM hits
UNION ALL
(SELECT 'page', CAST(id AS text), 0 FROM hits
 WHERE CAST(:after_timestamp AS timestamptz) IS NULL
    OR ("timestamp", id) < (CAST(:after_timestamp AS timestamptz), CAST(:after_id AS uuid))
 ORDER BY "timestamp" DESC, hits.id DESC LIMIT CAST(:limit AS integer))
UNION ALL
(SELECT 'day', to_char(day, 'YYYY-MM-DD'), count FROM counted WHERE which = 7 ORDER BY day)
UNION ALL
(SELECT 'signal_type', signal_type, count FROM counted WHERE which = 11
 ORDER BY count DESC, signal_type COLLATE "C" LIMIT CAST(:facet_values AS integer))
UNION ALL
(SELECT 'event_type', event_type, count FROM counted WHERE which = 13
 ORDER BY count DESC, event_type COLLATE "C" LIMIT CAST(:facet_values AS integer))
UNION ALL
(SELECT 'account_id', account_id, count FROM counted WHERE which = 14
 ORDER BY count DESC, account_id COLLATE "C" LIMIT CAST(:facet_values AS integer));

-- search_has --
-- Whether search finds a signal.
SELECT EXISTS (
  SELECT FROM signals WHERE tenant_id = :tenant_id AND id = CAST(:id AS uuid) AND words <> '{}'
) AS found;

-- signals_without_words --
-- Signals that nobody has looked at for search, the latest first. Those that another is just filling are passed over.
SELECT tenant_id, id FROM signals WHERE words IS NULL ORDER BY processed_at DESC LIMIT :most FOR UPDATE SKIP LOCKED;

-- put_words --
-- Write the words that signals are found by.
UPDATE signals SET words = given.words
FROM json_to_recordset(CAST(:words AS json)) AS given(tenant_id text, id uuid, words integer[])
WHERE signals.tenant_id = given.tenant_id AND signals.id = given.id;
