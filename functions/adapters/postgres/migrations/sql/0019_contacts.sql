-- A contact is a row, with sums like an account's, and an account's sums tell events that name a contact from others.

-- Batches that are under way end, and what they wrote is seen.
LOCK TABLE accounts IN ACCESS EXCLUSIVE MODE;

CREATE TABLE contacts (
  tenant_id  text NOT NULL,
  account_id text NOT NULL,
  contact_id text NOT NULL,
  -- [type, side, half-life in days, era, names a contact, total, events, latest] of each sum: functions/domain/score.py.
  slots      json NOT NULL DEFAULT '[]',
  -- By engagement, as of an account: functions/domain/ranking.py.
  rank       smallint NOT NULL DEFAULT 32767,
  slow       boolean NOT NULL DEFAULT false,
  -- name -> [value, when it was so in microseconds since 2025-01-01, event]
  attributes json NOT NULL DEFAULT '{}',
  PRIMARY KEY (tenant_id, account_id, contact_id)
) WITH (fillfactor = 80);

-- Those of an account from the highest on. One with points that fade slowly may be anywhere: these come first.
CREATE INDEX contacts_by_rank ON contacts (tenant_id, account_id, slow DESC, rank, contact_id COLLATE "C");

ALTER TABLE contacts ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON contacts TO sspp_reader USING (tenant_id = current_setting('sspp.tenant', true));
GRANT SELECT ON contacts TO sspp_reader;

CREATE TEMPORARY TABLE named ON COMMIT DROP AS
SELECT tenant_id, account_id, contact_id, event_type, side, half_life_days,
       score_era(half_life_days, "timestamp") AS era, sum(score_amount(points, half_life_days, "timestamp")) AS total,
       count(*) AS events, max(score_moment("timestamp")) AS latest
FROM signals
WHERE points <> 0 AND contact_id IS NOT NULL
GROUP BY tenant_id, account_id, contact_id, event_type, side, half_life_days, score_era(half_life_days, "timestamp");

-- Ranks as in 0014_sums.sql.
INSERT INTO contacts (tenant_id, account_id, contact_id, slots, rank, slow)
SELECT tenant_id, account_id, contact_id, slots,
       coalesce(-ceil(log(2, CAST(buyer AS numeric)) + newest_days / pace_days + 0.000001), 32767), coalesce(slow, false)
FROM (
  SELECT tenant_id, account_id, contact_id,
         json_agg(json_build_array(event_type, side, half_life_days, era, true, total, events, latest)
                  ORDER BY event_type, side, half_life_days, era) AS slots,
         max(newest_days) AS newest_days,
         bool_or(half_life_days > 90) FILTER (WHERE total > 0) AS slow,
         sum(total * power(CAST(2 AS double precision), greatest(-900, era * 32 - 20 - newest_days / half_life_days)))
           FILTER (WHERE side = 'buyer' AND total > 0) AS buyer
  FROM (
    SELECT *, max(latest) OVER (PARTITION BY tenant_id, account_id, contact_id) / 86400000000.0 AS newest_days
    FROM named
  ) AS dated
  GROUP BY tenant_id, account_id, contact_id
) AS summed, LATERAL (SELECT CASE WHEN slow THEN 3650 ELSE 90 END AS pace_days) AS pace;

-- Another name than the column had, for a part of the earlier release that is still running: see 0014_sums.sql.
ALTER TABLE accounts
  ADD COLUMN slots json NOT NULL DEFAULT '[]', -- as of a contact
  ADD COLUMN engaged integer NOT NULL DEFAULT 0; -- how many contacts have events of the buyer's side that count

-- What events with a contact add up to is taken out of the sums there are; a sum that was dropped, because it had faded to
-- nothing, is dropped from both.
WITH kept AS (
  SELECT tenant_id, account_id, one ->> 0 AS event_type, one ->> 1 AS side, CAST(one ->> 2 AS integer) AS half_life_days,
         CAST(one ->> 3 AS integer) AS era, CAST(one ->> 4 AS numeric) AS total, CAST(one ->> 5 AS bigint) AS events,
         CAST(one ->> 6 AS bigint) AS latest
  FROM accounts, json_array_elements(score_sums) AS one
),
of_contacts AS (
  SELECT tenant_id, account_id, event_type, side, half_life_days, era, sum(total) AS total, sum(events) AS events,
         max(latest) AS latest
  FROM named
  GROUP BY tenant_id, account_id, event_type, side, half_life_days, era
),
apart AS (
  SELECT tenant_id, account_id, event_type, side, half_life_days, era, max(score_moment("timestamp")) AS latest
  FROM (SELECT *, score_era(half_life_days, "timestamp") AS era FROM signals WHERE points <> 0 AND contact_id IS NULL) AS s
  GROUP BY tenant_id, account_id, event_type, side, half_life_days, era
),
parts AS (
  SELECT tenant_id, account_id, event_type, side, half_life_days, era, true AS named,
         of_contacts.total, of_contacts.events, of_contacts.latest
  FROM kept JOIN of_contacts USING (tenant_id, account_id, event_type, side, half_life_days, era)
  UNION ALL
  SELECT tenant_id, account_id, event_type, side, half_life_days, era, false,
         kept.total - coalesce(of_contacts.total, 0), kept.events - coalesce(of_contacts.events, 0),
         coalesce(apart.latest, kept.latest)
  FROM kept
  LEFT JOIN of_contacts USING (tenant_id, account_id, event_type, side, half_life_days, era)
  LEFT JOIN apart USING (tenant_id, account_id, event_type, side, half_life_days, era)
  WHERE kept.total <> coalesce(of_contacts.total, 0) OR kept.events <> coalesce(of_contacts.events, 0)
)
UPDATE accounts SET slots = listed.slots
FROM (
  SELECT tenant_id, account_id,
         json_agg(json_build_array(event_type, side, half_life_days, era, named, total, events, latest)
                  ORDER BY event_type, side, half_life_days, era, named) AS slots
  FROM parts
  GROUP BY tenant_id, account_id
) AS listed
WHERE accounts.tenant_id = listed.tenant_id AND accounts.account_id = listed.account_id;

UPDATE accounts SET engaged = counted.engaged
FROM (
  SELECT tenant_id, account_id, count(DISTINCT contact_id) AS engaged
  FROM named
  WHERE side = 'buyer'
  GROUP BY tenant_id, account_id
) AS counted
WHERE accounts.tenant_id = counted.tenant_id AND accounts.account_id = counted.account_id;

ALTER TABLE accounts DROP COLUMN score_sums;

-- What was added up by day is added up again by contact, when an account's next event comes.
DROP TABLE account_days, contact_sums;
CREATE TABLE contact_days (
  tenant_id      text NOT NULL,
  account_id     text NOT NULL,
  contact_id     text NOT NULL, -- empty: of events that name none
  day            date NOT NULL, -- in UTC; no era of any half-life begins within one
  event_type     text NOT NULL,
  side           text NOT NULL,
  half_life_days integer NOT NULL,
  era            integer NOT NULL,
  total          numeric NOT NULL, -- these three as in accounts.slots
  events         integer NOT NULL,
  latest         bigint NOT NULL,
  PRIMARY KEY (tenant_id, account_id, day, contact_id, event_type, side, half_life_days)
);
ALTER TABLE contact_days ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON contact_days TO sspp_reader USING (tenant_id = current_setting('sspp.tenant', true));
GRANT SELECT ON contact_days TO sspp_reader;
UPDATE accounts SET days_until = DATE '0001-01-01' WHERE days_until > DATE '0001-01-01';

-- A tenant that has signals goes on with the plain sum of all events, so that no score changes by itself.
INSERT INTO models (tenant_id, version, definition, created_by)
SELECT tenant_id, 1, '{"rollup": null}', 'operator'
FROM tenants
WHERE EXISTS (SELECT FROM signals WHERE signals.tenant_id = tenants.tenant_id)
  AND NOT EXISTS (SELECT FROM models WHERE models.tenant_id = tenants.tenant_id);
