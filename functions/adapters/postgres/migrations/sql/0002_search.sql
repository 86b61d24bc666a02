-- The copy of the signals that full-text search reads where no Elasticsearch is configured.
-- It can be emptied and rebuilt at any time.
CREATE TABLE search_documents (
  tenant_id text NOT NULL,
  -- "C" orders ids by their bytes, as Elasticsearch does.
  id text COLLATE "C" NOT NULL,
  "timestamp" timestamptz NOT NULL,
  -- json keeps the row as it was written; jsonb would reorder its names and rewrite its numbers.
  "row" json NOT NULL,
  text text NOT NULL,
  -- The words arrive normalised, so they become lexemes as they are. to_tsvector would part them once
  -- more: 7e855e into 7e855 and e.
  tsv tsvector NOT NULL GENERATED ALWAYS AS
    (array_to_tsvector(array_remove(string_to_array(text, ' '), ''))) STORED,
  -- What a filter may name.
  account_id text GENERATED ALWAYS AS ("row" ->> 'account_id') STORED,
  user_id text GENERATED ALWAYS AS ("row" ->> 'user_id') STORED,
  contact_id text GENERATED ALWAYS AS ("row" ->> 'contact_id') STORED,
  event_type text GENERATED ALWAYS AS ("row" ->> 'event_type') STORED,
  signal_type text GENERATED ALWAYS AS ("row" ->> 'signal_type') STORED,
  PRIMARY KEY (tenant_id, id)
);

-- Every page is read in this order.
CREATE INDEX search_documents_newest ON search_documents (tenant_id, "timestamp" DESC, id DESC);

CREATE INDEX search_documents_tsv ON search_documents USING gin (tsv);

ALTER TABLE search_documents ENABLE ROW LEVEL SECURITY;

CREATE POLICY tenant ON search_documents TO sspp_reader
  USING (tenant_id = current_setting('sspp.tenant', true));

GRANT SELECT ON search_documents TO sspp_reader;

-- The ids of the current tenant's documents that hold every word asked for.
-- It runs as its owner because row-level security keeps a reader from the index on tsv (the operator @@
-- is not leakproof), and it takes the tenant from the same setting as the policy, never from the caller.
CREATE FUNCTION search_ids(asked tsquery) RETURNS text[]
  LANGUAGE sql STABLE STRICT SECURITY DEFINER
  RETURN ARRAY(
    SELECT id FROM search_documents
    WHERE tenant_id = current_setting('sspp.tenant', true) AND tsv @@ asked
  );

REVOKE ALL ON FUNCTION search_ids(tsquery) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION search_ids(tsquery) TO sspp_reader;
