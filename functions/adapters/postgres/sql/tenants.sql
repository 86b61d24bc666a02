-- put_tenant --
-- A tenant, or its new name and, where one is given, its new contact.
INSERT INTO tenants (tenant_id, name, contact) VALUES (:tenant_id, :name, :contact)
ON CONFLICT (tenant_id) DO UPDATE SET name = excluded.name, contact = coalesce(excluded.contact, tenants.contact);

-- find_tenant --
-- A row when there is such a tenant.
SELECT tenant_id FROM tenants WHERE tenant_id = :tenant_id;

-- list_tenants --
-- Every tenant, with how many of its keys work.
SELECT tenants.tenant_id AS id, name, plan, suspended_at IS NOT NULL AS suspended,
       tenants.created_at AS created, count(digest) AS keys
FROM tenants
LEFT JOIN api_keys ON api_keys.tenant_id = tenants.tenant_id
  AND revoked_at IS NULL AND coalesce(expires_at > now(), true)
GROUP BY tenants.tenant_id
ORDER BY tenants.tenant_id;

-- put_plan --
-- A tenant's plan; a row when there is such a tenant.
UPDATE tenants SET plan = CAST(:plan AS json) WHERE tenant_id = :tenant_id
RETURNING tenant_id;

-- suspend_tenant --
-- Suspend a tenant, or resume it; a row when there is such a tenant.
UPDATE tenants SET suspended_at = CASE WHEN :suspended THEN coalesce(suspended_at, now()) END
WHERE tenant_id = :tenant_id
RETURNING tenant_id;

-- all_terms --
-- Every tenant with its plan and the newest version of each of its own event types.
SELECT tenants.tenant_id, plan, suspended_at IS NOT NULL AS suspended, coalesce((
         SELECT json_object_agg(newest.type, newest.definition)
         FROM (
           SELECT DISTINCT ON (type) type, definition FROM event_types
           WHERE event_types.tenant_id = tenants.tenant_id
           ORDER BY type, version DESC
         ) AS newest
       ), CAST('{}' AS json)) AS types
FROM tenants;

-- own_event_types --
-- The newest version of every event type of the batch's tenants.
SELECT DISTINCT ON (event_types.tenant_id, type) event_types.tenant_id, type, definition
FROM event_types
JOIN json_to_recordset(CAST(:tenants AS json)) AS given(tenant_id text) USING (tenant_id)
ORDER BY event_types.tenant_id, type, version DESC;

-- put_event_type --
-- A new version of a tenant's event type, unless the newest one says the same already.
INSERT INTO event_types (tenant_id, type, version, definition)
SELECT :tenant_id, :type, coalesce(max(version), 0) + 1, CAST(:definition AS json)
FROM event_types WHERE tenant_id = :tenant_id AND type = :type
HAVING coalesce((array_agg(CAST(definition AS text) ORDER BY version DESC))[1], '')
  <> CAST(CAST(:definition AS json) AS text)
RETURNING version;

-- put_key --
-- A key of a tenant, known by its digest.
INSERT INTO api_keys (tenant_id, digest, label, scopes, expires_at)
VALUES (:tenant_id, :digest, :label, CAST(:scopes AS text[]), CAST(:expires_at AS timestamptz))
ON CONFLICT DO NOTHING;

-- rotate_key --
-- A new key with what an old one may do, for as long. The old one ends at a moment, or at its own end if that is sooner.
-- One row when the old one is there and not revoked.
WITH old AS (
  SELECT tenant_id, digest, label, scopes, expires_at FROM api_keys
  WHERE digest = :old AND revoked_at IS NULL FOR UPDATE
), replaced AS (
  INSERT INTO api_keys (tenant_id, digest, label, scopes, expires_at)
  SELECT tenant_id, CAST(:new AS text), label, scopes, expires_at FROM old
), ended AS (
  UPDATE api_keys SET expires_at = least(api_keys.expires_at, CAST(:ends_at AS timestamptz))
  FROM old WHERE api_keys.digest = old.digest
)
SELECT tenant_id FROM old;

-- revoke_key --
-- End a key now; a row when it worked until now.
UPDATE api_keys SET revoked_at = now() WHERE digest = :digest AND revoked_at IS NULL
RETURNING tenant_id;

-- list_keys --
-- A tenant's keys, the newest first; of each only what tells it from the others.
SELECT digest, label, scopes, created_at, expires_at, revoked_at
FROM api_keys WHERE tenant_id = :tenant_id
ORDER BY created_at DESC, digest;

-- keys_like --
-- The keys of all tenants whose digest begins so; revoked ones too, so that revoking can be repeated.
SELECT tenant_id, digest, label, expires_at, revoked_at
FROM api_keys WHERE starts_with(digest, :prefix)
ORDER BY digest;

-- active_keys --
-- Every key that is not revoked, for the directory in Redis.
SELECT tenant_id, digest, scopes, expires_at FROM api_keys WHERE revoked_at IS NULL;

-- revoked_keys --
-- Every key that was revoked.
SELECT digest FROM api_keys WHERE revoked_at IS NOT NULL;

-- publish_alone --
-- Wait until nobody else publishes the directory, and be the one until this transaction ends.
SELECT pg_advisory_xact_lock(21946);

-- find_key --
-- Whom a key that is not revoked belongs to, and whether that tenant is suspended.
SELECT tenant_id, scopes, expires_at, suspended FROM find_key(CAST(:digest AS text));

-- read_rate --
-- How often a tenant may read, null where its plan does not say.
SELECT plan -> 'readRate' AS read_rate FROM tenants WHERE tenant_id = :tenant_id;

-- events_this_month --
-- How many events each tenant has had processed in a month.
SELECT tenant_id, events FROM usage WHERE month = CAST(:month AS date);

-- put_rule --
-- A new version of a rule, unless the newest one says the same already. A new version begins without the old one's
-- trouble, and switched on.
WITH fresh AS (
  DELETE FROM rule_states
  WHERE tenant_id = :tenant_id AND rule_id = CAST(:rule_id AS uuid) AND deleted_at IS NULL
    AND CAST(CAST(:definition AS json) AS text) <> (
      SELECT CAST(definition AS text) FROM rules
      WHERE rules.tenant_id = :tenant_id AND rules.rule_id = CAST(:rule_id AS uuid) ORDER BY version DESC LIMIT 1)
)
INSERT INTO rules (tenant_id, rule_id, version, definition)
SELECT :tenant_id, CAST(:rule_id AS uuid), coalesce(max(version), 0) + 1, CAST(:definition AS json)
FROM rules WHERE tenant_id = :tenant_id AND rule_id = CAST(:rule_id AS uuid)
HAVING coalesce((array_agg(CAST(definition AS text) ORDER BY version DESC))[1], '')
  <> CAST(CAST(:definition AS json) AS text)
RETURNING version;

-- list_rules --
-- A tenant's rules that are not deleted, in their newest version, with their state; the oldest rule first. One rule
-- where an id is given.
SELECT id, name, version, "when", "to", cooldown_hours, enabled, disabled_at, disabled_because, unanswered,
       unanswered_because, changed_at, notices
FROM (
  SELECT DISTINCT ON (rule_id)
         rule_id AS id, definition ->> 'name' AS name, version, definition ->> 'when' AS "when",
         definition -> 'then' -> 0 ->> 'to' AS "to", CAST(definition ->> 'cooldownHours' AS integer) AS cooldown_hours,
         disabled_at IS NULL AS enabled, disabled_at, disabled_because, coalesce(unanswered, 0) AS unanswered,
         unanswered_because, rules.created_at AS changed_at,
         (SELECT count(*) FROM notices
          WHERE notices.tenant_id = rules.tenant_id AND notices.rule_id = rules.rule_id) AS notices
  FROM rules
  LEFT JOIN rule_states USING (tenant_id, rule_id)
  WHERE rules.tenant_id = :tenant_id AND deleted_at IS NULL
    AND (CAST(:rule_id AS uuid) IS NULL OR rule_id = CAST(:rule_id AS uuid))
  ORDER BY rule_id, version DESC
) AS newest
ORDER BY changed_at, id;

-- change_rule --
-- Switch a rule on or off, or delete it; it stays on record for the notices that name it. One row when there is such
-- a rule.
INSERT INTO rule_states (tenant_id, rule_id, disabled_at, disabled_because, deleted_at)
SELECT DISTINCT tenant_id, rule_id,
       CASE WHEN CAST(:because AS text) IS NOT NULL THEN now() END, CAST(:because AS text),
       CASE WHEN CAST(:deleted AS boolean) THEN now() END
FROM rules
LEFT JOIN rule_states USING (tenant_id, rule_id)
WHERE tenant_id = :tenant_id AND rule_id = CAST(:rule_id AS uuid) AND deleted_at IS NULL
ON CONFLICT (tenant_id, rule_id) DO UPDATE
SET disabled_at = excluded.disabled_at, disabled_because = excluded.disabled_because, deleted_at = excluded.deleted_at
RETURNING rule_id;

-- newest_model --
-- A tenant's newest scoring model, without a version where it has none of its own; a row when there is such a tenant.
SELECT version, CAST(definition AS text) AS definition, models.created_at, created_by
FROM tenants
LEFT JOIN models ON models.tenant_id = tenants.tenant_id
WHERE tenants.tenant_id = :tenant_id
ORDER BY version DESC
LIMIT 1;

-- models_of_tenants --
-- The newest scoring model of each of the batch's tenants that has one.
SELECT DISTINCT ON (models.tenant_id) models.tenant_id, version, CAST(definition AS text) AS definition,
       created_at, created_by
FROM models
JOIN json_to_recordset(CAST(:tenants AS json)) AS given(tenant_id text) USING (tenant_id)
ORDER BY models.tenant_id, version DESC;

-- list_models --
-- The versions of a tenant's scoring model before one, the newest first.
SELECT version, CAST(definition AS text) AS definition, created_at, created_by
FROM models
WHERE tenant_id = :tenant_id AND version < CAST(:before AS integer)
ORDER BY version DESC
LIMIT :most;

-- put_model --
-- A version of a tenant's scoring model.
INSERT INTO models (tenant_id, version, definition, created_by)
VALUES (:tenant_id, :version, CAST(:definition AS json), :created_by);
