-- A UUIDv7 (RFC 9562): uuidv7() exists only from PostgreSQL 18 on. A random one, with its first 48 bits the milliseconds and
-- its version 7 in place of 4.
CREATE FUNCTION "tenon_event_id"() RETURNS uuid LANGUAGE sql VOLATILE AS $$
  SELECT encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid()) PLACING
    substring(int8send(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6), 52, 1), 53, 1), 'hex')::uuid
$$;--> statement-breakpoint
CREATE TABLE "event_head" (
	"id" integer PRIMARY KEY NOT NULL,
	"position" bigint NOT NULL,
	CONSTRAINT "event_head_is_one" CHECK ("event_head"."id" = 1)
);
--> statement-breakpoint
CREATE TABLE "events" (
	"id" uuid PRIMARY KEY DEFAULT tenon_event_id() NOT NULL,
	"written" bigint GENERATED ALWAYS AS IDENTITY (sequence name "events_written_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"position" bigint,
	"resource" text NOT NULL,
	"type" text NOT NULL,
	"subject" text NOT NULL,
	"owner_id" uuid,
	"stored" jsonb NOT NULL,
	"user_id" uuid,
	"key_id" uuid,
	"request_id" text,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE INDEX "events_unplaced_idx" ON "events" USING btree ("written") WHERE "events"."position" is null;--> statement-breakpoint
CREATE UNIQUE INDEX "events_position_idx" ON "events" USING btree ("position") WHERE "events"."position" is not null;--> statement-breakpoint
CREATE INDEX "events_subject_idx" ON "events" USING btree ("subject","position") WHERE "events"."position" is not null;--> statement-breakpoint
INSERT INTO "event_head" ("id", "position") VALUES (1, 0);--> statement-breakpoint
-- Writes the events of one statement, in its transaction, so that no route, import, action, cascade or other program can
-- change a row without its event. The triggers that call this stand only on tables of resources that declare `events`, made
-- when one starts. Their arguments: the resource, the first half of its types, the column with the owner, and the columns
-- that callers never read. The cause of each row is in the setting `tenon.cause` of the transaction, by the id of the row,
-- and under '' for all others.
CREATE FUNCTION "tenon_record_events"() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  cause jsonb := nullif(current_setting('tenon.cause', true), '')::jsonb;
  secret text[] := tg_argv[3]::text[];
BEGIN
  IF tg_op = 'INSERT' THEN
    INSERT INTO events (resource, type, subject, owner_id, stored, user_id, key_id, request_id)
    SELECT tg_argv[0], tg_argv[1] || '.created', tg_argv[0] || '/' || id, (stored ->> tg_argv[2])::uuid, stored - secret,
      (by ->> 'userId')::uuid, (by ->> 'keyId')::uuid, by ->> 'requestId'
    FROM (SELECT n.id::text AS id, to_jsonb(n) AS stored, coalesce(cause -> n.id::text, cause -> '') AS by FROM new_rows AS n) AS one;
  ELSIF tg_op = 'DELETE' THEN
    INSERT INTO events (resource, type, subject, owner_id, stored, user_id, key_id, request_id)
    SELECT tg_argv[0], tg_argv[1] || '.deleted', tg_argv[0] || '/' || id, (stored ->> tg_argv[2])::uuid, stored - secret,
      (by ->> 'userId')::uuid, (by ->> 'keyId')::uuid, by ->> 'requestId'
    FROM (SELECT o.id::text AS id, to_jsonb(o) AS stored, coalesce(cause -> o.id::text, cause -> '') AS by FROM old_rows AS o) AS one;
  ELSE
    -- A change that raises no version changed nothing.
    INSERT INTO events (resource, type, subject, owner_id, stored, user_id, key_id, request_id)
    SELECT tg_argv[0], tg_argv[1] || '.' || coalesce(by ->> 'verb', 'updated'), tg_argv[0] || '/' || id,
      (stored ->> tg_argv[2])::uuid, stored - secret, (by ->> 'userId')::uuid, (by ->> 'keyId')::uuid, by ->> 'requestId'
    FROM (
      SELECT n.id::text AS id, to_jsonb(n) AS stored, coalesce(cause -> n.id::text, cause -> '') AS by
      FROM new_rows AS n JOIN old_rows AS o ON o.id = n.id WHERE n.version <> o.version
    ) AS one;
  END IF;
  -- A transaction that notifies takes a lock of the whole server when it commits. So the process of a request notifies
  -- after the commit; of other programs only this knows.
  IF cause IS NULL THEN
    PERFORM pg_notify('tenon_events', '');
  END IF;
  RETURN NULL;
END $$;--> statement-breakpoint
-- PostgreSQL keeps the plan of the first rows, which may be one: for a thousand it would compare a million pairs.
ALTER FUNCTION "tenon_record_events"() SET enable_nestloop = off;--> statement-breakpoint
CREATE TRIGGER "tenon_event_created" AFTER INSERT ON "items" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION "tenon_record_events"('items', 'item', 'owner_id', '{}');--> statement-breakpoint
CREATE TRIGGER "tenon_event_updated" AFTER UPDATE ON "items" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION "tenon_record_events"('items', 'item', 'owner_id', '{}');--> statement-breakpoint
CREATE TRIGGER "tenon_event_deleted" AFTER DELETE ON "items" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION "tenon_record_events"('items', 'item', 'owner_id', '{}');--> statement-breakpoint
CREATE TRIGGER "tenon_event_created" AFTER INSERT ON "orders" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION "tenon_record_events"('orders', 'order', 'user_id', '{}');--> statement-breakpoint
CREATE TRIGGER "tenon_event_updated" AFTER UPDATE ON "orders" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION "tenon_record_events"('orders', 'order', 'user_id', '{}');--> statement-breakpoint
CREATE TRIGGER "tenon_event_deleted" AFTER DELETE ON "orders" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION "tenon_record_events"('orders', 'order', 'user_id', '{}');--> statement-breakpoint
CREATE TRIGGER "tenon_event_created" AFTER INSERT ON "products" REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION "tenon_record_events"('products', 'product', '', '{}');--> statement-breakpoint
CREATE TRIGGER "tenon_event_updated" AFTER UPDATE ON "products" REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION "tenon_record_events"('products', 'product', '', '{}');--> statement-breakpoint
CREATE TRIGGER "tenon_event_deleted" AFTER DELETE ON "products" REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION "tenon_record_events"('products', 'product', '', '{}');
