-- What is known of a rule beside its versions. A rule without a row is switched on and had no trouble.
CREATE TABLE rule_states (
  tenant_id          text NOT NULL,
  rule_id            uuid NOT NULL,
  disabled_at        timestamptz, -- null: it is evaluated
  disabled_because   text,
  deleted_at         timestamptz,
  unanswered         bigint NOT NULL DEFAULT 0, -- evaluations that had no answer, and so counted as false
  unanswered_because text, -- the reason of the last of them
  PRIMARY KEY (tenant_id, rule_id)
);
ALTER TABLE rule_states ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON rule_states TO sspp_reader USING (tenant_id = current_setting('sspp.tenant', true));
GRANT SELECT ON rule_states TO sspp_reader;
