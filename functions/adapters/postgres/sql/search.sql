-- search_put --
-- Store documents, each replacing the one with its id.
-- In the order of the key, so that two calls at once take their locks alike and never deadlock.
INSERT INTO search_documents (tenant_id, id, "timestamp", "row", text)
SELECT d.tenant_id, d.id, d."timestamp", d."row", d.text
FROM json_to_recordset(CAST(:documents AS json))
  AS d(tenant_id text, id text, "timestamp" timestamptz, "row" json, text text)
ORDER BY d.tenant_id, d.id
ON CONFLICT (tenant_id, id) DO UPDATE
SET "timestamp" = excluded."timestamp", "row" = excluded."row", text = excluded.text;

-- search_get --
-- The row of one document, or nothing.
SELECT d."row" FROM search_documents AS d WHERE d.tenant_id = :tenant_id AND d.id = :id;

-- search_page --
-- The newest documents that match, from a place in that order on. A NULL parameter asks for nothing.
-- search_ids is called once, in a subquery of its own, and its array is looked up in the primary key.
SELECT d.tenant_id, d.id, d."timestamp", d."row", d.text
FROM search_documents AS d
WHERE d.tenant_id = :tenant_id
  AND (CAST(:asked AS tsquery) IS NULL
       OR d.id = ANY (CAST((SELECT search_ids(CAST(:asked AS tsquery))) AS text[])))
  AND (CAST(:account_id AS text) IS NULL OR d.account_id = CAST(:account_id AS text))
  AND (CAST(:user_id AS text) IS NULL OR d.user_id = CAST(:user_id AS text))
  AND (CAST(:contact_id AS text) IS NULL OR d.contact_id = CAST(:contact_id AS text))
  AND (CAST(:event_type AS text) IS NULL OR d.event_type = CAST(:event_type AS text))
  AND (CAST(:signal_type AS text) IS NULL OR d.signal_type = CAST(:signal_type AS text))
  AND (CAST(:since AS timestamptz) IS NULL OR d."timestamp" >= CAST(:since AS timestamptz))
  AND (CAST(:until AS timestamptz) IS NULL OR d."timestamp" < CAST(:until AS timestamptz))
  AND (CAST(:after_timestamp AS timestamptz) IS NULL
       OR (d."timestamp", d.id) < (CAST(:after_timestamp AS timestamptz), CAST(:after_id AS text)))
ORDER BY d."timestamp" DESC, d.id DESC
LIMIT CAST(:limit AS integer);

-- search_counts --
-- Counts over every document that matches, whatever the page. One row a count, most frequent values first;
-- what is total, day or the name of a facet.
WITH matching AS MATERIALIZED (
  SELECT to_char(d."timestamp" AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day,
         d.signal_type, d.event_type, d.account_id
  FROM search_documents AS d
  WHERE d.tenant_id = :tenant_id
    AND (CAST(:asked AS tsquery) IS NULL
         OR d.id = ANY (CAST((SELECT search_ids(CAST(:asked AS tsquery))) AS text[])))
    AND (CAST(:account_id AS text) IS NULL OR d.account_id = CAST(:account_id AS text))
    AND (CAST(:user_id AS text) IS NULL OR d.user_id = CAST(:user_id AS text))
    AND (CAST(:contact_id AS text) IS NULL OR d.contact_id = CAST(:contact_id AS text))
    AND (CAST(:event_type AS text) IS NULL OR d.event_type = CAST(:event_type AS text))
    AND (CAST(:signal_type AS text) IS NULL OR d.signal_type = CAST(:signal_type AS text))
    AND (CAST(:since AS timestamptz) IS NULL OR d."timestamp" >= CAST(:since AS timestamptz))
    AND (CAST(:until AS timestamptz) IS NULL OR d."timestamp" < CAST(:until AS timestamptz))
)
SELECT 'total' AS what, '' AS value, count(*) AS count FROM matching
UNION ALL
(SELECT 'day', day, count(*) FROM matching GROUP BY day ORDER BY day)
UNION ALL
(SELECT 'signal_type', signal_type, count(*) FROM matching WHERE signal_type IS NOT NULL
 GROUP BY signal_type ORDER BY count(*) DESC, signal_type COLLATE "C" LIMIT CAST(:facet_values AS integer))
UNION ALL
(SELECT 'event_type', event_type, count(*) FROM matching WHERE event_type IS NOT NULL
 GROUP BY event_type ORDER BY count(*) DESC, event_type COLLATE "C" LIMIT CAST(:facet_values AS integer))
UNION ALL
(SELECT 'account_id', account_id, count(*) FROM matching WHERE account_id IS NOT NULL
 GROUP BY account_id ORDER BY count(*) DESC, account_id COLLATE "C" LIMIT CAST(:facet_values AS integer));
