-- What a tenant may send and has sent: its plan, its own event types, whether it is suspended, whom to tell of
-- quotas, its events by month; and keys that expire.
ALTER TABLE tenants ADD COLUMN plan json NOT NULL DEFAULT '{}';
ALTER TABLE tenants ADD COLUMN suspended_at timestamptz;
ALTER TABLE tenants ADD COLUMN contact text;
ALTER TABLE api_keys ADD COLUMN expires_at timestamptz;

CREATE TABLE event_types (
  tenant_id  text NOT NULL REFERENCES tenants,
  type       text NOT NULL,
  version    integer NOT NULL,
  definition json NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, type, version)
);
CREATE TABLE usage (
  tenant_id text NOT NULL,
  month     date NOT NULL,
  events    bigint NOT NULL,
  PRIMARY KEY (tenant_id, month)
);
ALTER TABLE usage ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON usage TO sspp_reader USING (tenant_id = current_setting('sspp.tenant', true));
GRANT SELECT ON usage TO sspp_reader;

ALTER TABLE event_types ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON event_types TO sspp_reader USING (tenant_id = current_setting('sspp.tenant', true));
GRANT SELECT ON event_types TO sspp_reader;
