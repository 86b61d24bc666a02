-- What an account's signals add up to by day and by contact. Where an account has many signals, those of whole days that
-- have passed are added up here, so that what it was at a moment, its timeline and its contacts are read from few rows.
CREATE TABLE account_days (
  tenant_id      text NOT NULL,
  account_id     text NOT NULL,
  day            date NOT NULL, -- in UTC; no era of any half-life begins within one
  event_type     text NOT NULL,
  side           text NOT NULL,
  half_life_days integer NOT NULL,
  era            integer NOT NULL,
  total          numeric NOT NULL, -- these three as in accounts.score_sums
  events         integer NOT NULL,
  latest         bigint NOT NULL,
  PRIMARY KEY (tenant_id, account_id, day, event_type, side, half_life_days)
);

CREATE TABLE contact_sums (
  tenant_id      text NOT NULL,
  account_id     text NOT NULL,
  contact_id     text NOT NULL,
  event_type     text NOT NULL,
  side           text NOT NULL,
  half_life_days integer NOT NULL,
  era            integer NOT NULL,
  total          numeric NOT NULL,
  events         integer NOT NULL,
  latest         bigint NOT NULL,
  PRIMARY KEY (tenant_id, account_id, contact_id, event_type, side, half_life_days, era)
);

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['account_days', 'contact_sums'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY tenant ON %I TO sspp_reader USING (tenant_id = current_setting(''sspp.tenant'', true))',
                   name);
    EXECUTE format('GRANT SELECT ON %I TO sspp_reader', name);
  END LOOP;
END $$;

-- All signals from before this day are in account_days and contact_sums, and none of later ones. Accounts that are there
-- are added up when their next event comes.
ALTER TABLE accounts ADD COLUMN days_until date NOT NULL DEFAULT '0001-01-01';
