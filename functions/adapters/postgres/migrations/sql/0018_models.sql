-- Scoring models, every version whole. A tenant without a row has version 1, the default.
CREATE TABLE models (
  tenant_id  text NOT NULL REFERENCES tenants,
  version    integer NOT NULL CHECK (version > 0),
  definition json NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  created_by text NOT NULL, -- the operator, or the first characters of a key's digest
  PRIMARY KEY (tenant_id, version)
);

-- The one table that the API writes to, and no more than new rows of its tenant.
ALTER TABLE models ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON models TO sspp_reader USING (tenant_id = current_setting('sspp.tenant', true));
GRANT SELECT, INSERT ON models TO sspp_reader;
