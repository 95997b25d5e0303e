-- Less work for each event: PostgreSQL merges a subquery into the query around it, and made the row's JSON and looked up its
-- cause anew at each place that uses them. OFFSET 0 keeps a subquery apart.
CREATE OR REPLACE FUNCTION "tenon_record_events"() RETURNS trigger LANGUAGE plpgsql
-- PostgreSQL keeps the plan of the first rows, which may be one: for a thousand it would compare a million pairs.
SET enable_nestloop = off AS $$
DECLARE
  cause jsonb := nullif(current_setting('tenon.cause', true), '')::jsonb;
  name text := tg_argv[0];
  noun text := tg_argv[1] || '.';
  owner text := nullif(tg_argv[2], '');
  secret text[] := tg_argv[3]::text[];
BEGIN
  IF tg_op = 'INSERT' THEN
    INSERT INTO events (resource, type, subject, owner_id, stored, user_id, key_id, request_id)
    SELECT name, noun || 'created', name || '/' || id, (stored ->> owner)::uuid, stored - secret,
      (by ->> 'userId')::uuid, (by ->> 'keyId')::uuid, by ->> 'requestId'
    FROM (
      SELECT id, stored, coalesce(cause -> id, cause -> '') AS by
      FROM (SELECT n.id::text AS id, to_jsonb(n) AS stored FROM new_rows AS n OFFSET 0) AS one OFFSET 0
    ) AS one;
  ELSIF tg_op = 'DELETE' THEN
    INSERT INTO events (resource, type, subject, owner_id, stored, user_id, key_id, request_id)
    SELECT name, noun || 'deleted', name || '/' || id, (stored ->> owner)::uuid, stored - secret,
      (by ->> 'userId')::uuid, (by ->> 'keyId')::uuid, by ->> 'requestId'
    FROM (
      SELECT id, stored, coalesce(cause -> id, cause -> '') AS by
      FROM (SELECT o.id::text AS id, to_jsonb(o) AS stored FROM old_rows AS o OFFSET 0) AS one OFFSET 0
    ) AS one;
  ELSE
    -- A change that raises no version changed nothing.
    INSERT INTO events (resource, type, subject, owner_id, stored, user_id, key_id, request_id)
    SELECT name, noun || coalesce(by ->> 'verb', 'updated'), name || '/' || id, (stored ->> owner)::uuid, stored - secret,
      (by ->> 'userId')::uuid, (by ->> 'keyId')::uuid, by ->> 'requestId'
    FROM (
      SELECT id, stored, coalesce(cause -> id, cause -> '') AS by
      FROM (
        SELECT n.id::text AS id, to_jsonb(n) AS stored
        FROM new_rows AS n JOIN old_rows AS o ON o.id = n.id WHERE n.version <> o.version OFFSET 0
      ) AS one OFFSET 0
    ) AS one;
  END IF;
  -- A transaction that notifies takes a lock of the whole server when it commits. So the process of a request notifies
  -- after the commit; of other programs only this knows.
  IF cause IS NULL THEN
    PERFORM pg_notify('tenon_events', '');
  END IF;
  RETURN NULL;
END $$;
