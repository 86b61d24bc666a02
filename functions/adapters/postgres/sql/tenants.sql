-- put_tenant --
-- A tenant, or its new name.
INSERT INTO tenants (tenant_id, name) VALUES (:tenant_id, :name)
ON CONFLICT (tenant_id) DO UPDATE SET name = excluded.name;

-- put_key --
-- A key of a tenant, known by its digest.
INSERT INTO api_keys (tenant_id, digest, label, scopes)
VALUES (:tenant_id, :digest, :label, CAST(:scopes AS text[]))
ON CONFLICT DO NOTHING;

-- active_keys --
-- Every key that works, for the directory in Redis.
SELECT tenant_id, digest, scopes FROM api_keys WHERE revoked_at IS NULL;

-- find_key --
-- Whom a key that works belongs to.
SELECT tenant_id, scopes FROM api_keys WHERE digest = :digest AND revoked_at IS NULL;

-- put_rule --
-- A new version of a rule, unless the newest one says the same already.
INSERT INTO rules (tenant_id, rule_id, version, definition)
SELECT :tenant_id, CAST(:rule_id AS uuid), coalesce(max(version), 0) + 1, CAST(:definition AS json)
FROM rules WHERE tenant_id = :tenant_id AND rule_id = CAST(:rule_id AS uuid)
HAVING coalesce((array_agg(CAST(definition AS text) ORDER BY version DESC))[1], '') <> CAST(CAST(:definition AS json) AS text)
RETURNING version;
