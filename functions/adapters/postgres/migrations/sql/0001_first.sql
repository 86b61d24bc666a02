-- Tenants, keys, signals, account scores, rules, notices. The tenant comes first in every key.
-- Row-level security keeps sspp_reader, the role the api reads with, inside the tenant of its transaction.
-- What writes (process, notify, migrate) is the owner and names the tenant in every statement.

DO $$ BEGIN
  CREATE ROLE sspp_reader NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; -- roles belong to the server, not the database
END $$;
GRANT sspp_reader TO CURRENT_USER;
GRANT USAGE ON SCHEMA public TO sspp_reader;

CREATE TABLE tenants (
  tenant_id  text PRIMARY KEY,
  name       text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE api_keys (
  tenant_id  text NOT NULL REFERENCES tenants,
  digest     text NOT NULL,
  label      text NOT NULL,
  scopes     text[] NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  revoked_at timestamptz,
  PRIMARY KEY (tenant_id, digest)
);
-- A request brings a key, not a tenant: this is how the tenant is found.
CREATE UNIQUE INDEX api_keys_digest ON api_keys (digest);

CREATE TABLE signals (
  tenant_id    text NOT NULL,
  id           uuid NOT NULL,
  source       text NOT NULL,
  source_id    text NOT NULL,
  event_type   text NOT NULL,
  account_id   text NOT NULL,
  contact_id   text,
  user_id      text,
  signal_type  text NOT NULL,
  signal_score numeric(3, 2) NOT NULL,
  side         text NOT NULL,
  points       integer NOT NULL,
  half_life_days integer NOT NULL,
  "timestamp"  timestamptz NOT NULL,
  received_at  timestamptz NOT NULL,
  processed_at timestamptz NOT NULL DEFAULT now(),
  metadata     json NOT NULL,
  reasons      json NOT NULL,
  PRIMARY KEY (tenant_id, id)
);
CREATE INDEX signals_by_account ON signals (tenant_id, account_id, "timestamp");
CREATE INDEX signals_by_time ON signals (tenant_id, "timestamp");

CREATE TABLE accounts (
  tenant_id  text NOT NULL,
  account_id text NOT NULL,
  PRIMARY KEY (tenant_id, account_id)
);

CREATE TABLE account_sums (
  tenant_id      text NOT NULL,
  account_id     text NOT NULL,
  side           text NOT NULL,
  half_life_days integer NOT NULL,
  era            integer NOT NULL,
  total          numeric NOT NULL, -- whole, in 2^-20 points as of the era's beginning: functions/domain/score.py
  PRIMARY KEY (tenant_id, account_id, side, half_life_days, era)
);

CREATE TABLE rules (
  tenant_id  text NOT NULL,
  rule_id    uuid NOT NULL,
  version    integer NOT NULL,
  definition json NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, rule_id, version)
);

CREATE TABLE rule_episodes (
  tenant_id  text NOT NULL,
  rule_id    uuid NOT NULL,
  account_id text NOT NULL,
  number     integer NOT NULL,
  open       boolean NOT NULL,
  opened_at  timestamptz,
  PRIMARY KEY (tenant_id, rule_id, account_id)
);

CREATE TABLE notices (
  tenant_id    text NOT NULL,
  id           uuid NOT NULL,
  kind         text NOT NULL, -- 'rule' or 'quota'; the columns of the other kind are null
  title        text NOT NULL,
  recipient    text, -- null where nobody has said whom to tell
  event_id     uuid NOT NULL,
  rule_id      uuid,
  rule_version integer,
  account_id   text,
  episode      integer,
  engagement   numeric(4, 1),
  created_at   timestamptz NOT NULL,
  sent_at      timestamptz,
  PRIMARY KEY (tenant_id, id)
);
CREATE INDEX notices_by_event ON notices (tenant_id, event_id);

CREATE TABLE deliveries (
  tenant_id text NOT NULL,
  notice_id uuid NOT NULL,
  attempt   integer NOT NULL,
  at        timestamptz NOT NULL DEFAULT now(),
  channel   text NOT NULL,
  recipient text NOT NULL,
  delivered boolean NOT NULL,
  answer    text NOT NULL,
  PRIMARY KEY (tenant_id, notice_id, attempt),
  FOREIGN KEY (tenant_id, notice_id) REFERENCES notices (tenant_id, id) ON DELETE CASCADE
);

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['tenants', 'signals', 'accounts', 'account_sums', 'rules', 'rule_episodes',
                              'notices', 'deliveries']
  LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY tenant ON %I TO sspp_reader USING (tenant_id = current_setting(''sspp.tenant'', true))',
                   name);
    EXECUTE format('GRANT SELECT ON %I TO sspp_reader', name);
  END LOOP;
END $$;
