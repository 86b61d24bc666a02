-- limited_tenants --
-- The tenants whose events a month are limited, softly or hard, and whom to tell of it.
SELECT tenant_id, plan, contact FROM tenants
WHERE coalesce(plan -> 'monthly' ->> 'hard', plan -> 'monthly' ->> 'soft') IS NOT NULL
ORDER BY tenant_id;

-- put_quota_notices --
-- The notices of thresholds that were reached. A row for each that is new.
INSERT INTO notices (tenant_id, id, kind, title, recipient, created_at)
SELECT tenant_id, id, 'quota', title, recipient, created_at
FROM json_to_recordset(CAST(:notices AS json)) AS given(
  tenant_id text, id uuid, title text, recipient text, created_at timestamptz
)
ON CONFLICT DO NOTHING
RETURNING tenant_id, id;
