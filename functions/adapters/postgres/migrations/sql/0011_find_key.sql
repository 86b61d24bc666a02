-- A request brings a key, not a tenant. The API's login may read no key: it may ask whom the one with this digest
-- belongs to. Runs as its owner; what the names in it mean was fixed when it was created.
CREATE FUNCTION find_key(asked text)
  RETURNS TABLE (tenant_id text, scopes text[], expires_at timestamptz, suspended boolean)
  LANGUAGE sql STABLE STRICT SECURITY DEFINER
  BEGIN ATOMIC
    SELECT api_keys.tenant_id, api_keys.scopes, api_keys.expires_at, tenants.suspended_at IS NOT NULL
    FROM public.api_keys JOIN public.tenants ON tenants.tenant_id = api_keys.tenant_id
    WHERE api_keys.digest = asked AND api_keys.revoked_at IS NULL;
  END;

REVOKE ALL ON FUNCTION find_key(text) FROM PUBLIC;
