-- What each part's login may do, after every migration anew: the one place. Safe to repeat.
-- A table that is not here belongs to its owner alone: migrate and the command line.
DO $$
DECLARE
  part text;
  given record;
BEGIN
  FOREACH part IN ARRAY ARRAY['sspp_api', 'sspp_process', 'sspp_index', 'sspp_notify', 'sspp_tick'] LOOP
    BEGIN
      EXECUTE format('CREATE ROLE %I NOLOGIN', part);
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; -- roles belong to the server, not the database
    END;
    EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA public FROM %I', part);
    EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', part);
  END LOOP;

  -- The API reads as sspp_reader, which row-level security keeps inside the tenant of its transaction.
  GRANT sspp_reader TO sspp_api;
  GRANT EXECUTE ON FUNCTION find_key(text) TO sspp_api;

  -- The others work on many tenants at once, on no more tables and in no more ways than this.
  FOR given IN
    SELECT * FROM (VALUES
      ('sspp_process', 'event_types', 'SELECT'),
      ('sspp_process', 'models', 'SELECT'),
      ('sspp_process', 'rules', 'SELECT'),
      ('sspp_process', 'rule_states', 'SELECT, INSERT, UPDATE'),
      ('sspp_process', 'signals', 'SELECT, INSERT, UPDATE (side, left_out, account_id, sent_account, words)'),
      ('sspp_process', 'retractions', 'SELECT, INSERT, UPDATE'),
      ('sspp_process', 'insights', 'SELECT, INSERT, UPDATE'),
      ('sspp_process', 'accounts', 'SELECT, INSERT, UPDATE'),
      ('sspp_process', 'contacts', 'SELECT, INSERT, UPDATE, DELETE'), -- a merge makes them anew
      ('sspp_process', 'contact_days', 'SELECT, INSERT, UPDATE, DELETE'),
      ('sspp_process', 'usage', 'SELECT, INSERT, UPDATE'),
      ('sspp_process', 'notices', 'SELECT, INSERT'),
      ('sspp_process', 'deliveries', 'SELECT'),
      ('sspp_index', 'signals', 'SELECT'),
      ('sspp_notify', 'signals', 'SELECT'),
      ('sspp_notify', 'accounts', 'SELECT'),
      ('sspp_notify', 'contacts', 'SELECT'),
      ('sspp_notify', 'contact_days', 'SELECT'),
      ('sspp_notify', 'models', 'SELECT'),
      ('sspp_notify', 'notices', 'SELECT, INSERT, UPDATE'), -- a digest is a notice, too
      ('sspp_notify', 'deliveries', 'SELECT, INSERT'),
      -- A Redis that came back empty is filled from these, and the ids recorded last are published again.
      ('sspp_tick', 'tenants', 'SELECT'),
      ('sspp_tick', 'api_keys', 'SELECT'),
      ('sspp_tick', 'event_types', 'SELECT'),
      ('sspp_tick', 'usage', 'SELECT'),
      ('sspp_tick', 'accounts', 'SELECT (next_due)'),
      ('sspp_tick', 'signals', 'SELECT, UPDATE (words)'), -- those of an earlier version get their words
      -- Notices that a monthly limit comes near, and those that nobody has sent.
      ('sspp_tick', 'notices', 'SELECT (tenant_id, id, created_at, sent_at, refused_at, digest_id, quiet, recipient,'
                               ' claimed_until, next_attempt_at), INSERT')
    ) AS decided(login, relation, rights)
  LOOP
    EXECUTE format('GRANT %s ON %I TO %I', given.rights, given.relation, given.login);
    -- Made once: it takes a lock on the table, for a moment.
    IF NOT EXISTS (SELECT FROM pg_policies
                   WHERE schemaname = 'public' AND tablename = given.relation AND policyname = given.login)
    THEN
      EXECUTE format('CREATE POLICY %I ON %I TO %I USING (true) WITH CHECK (true)',
                     given.login, given.relation, given.login);
    END IF;
  END LOOP;
END $$;
