-- The ETag of a row is its version, so whatever changes the row has to raise it: the `set null` of a foreign key, plain SQL,
-- other programs. Statements that raise it themselves do not come here: the trigger's condition leaves them out.
CREATE FUNCTION "tenon_raise_version"() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  generated jsonb;
BEGIN
  -- Bytes are compared, since json has no equality, and 1.0 and 1.00 are answered as two texts.
  IF NOT (new *<> old) THEN
    RETURN new;
  END IF;
  -- Before the change a generated column of the new row is null.
  SELECT jsonb_object_agg(attname, NULL) INTO generated
  FROM pg_catalog.pg_attribute WHERE attrelid = tg_relid AND attgenerated <> '' AND NOT attisdropped;
  IF generated IS NOT NULL AND NOT (new *<> jsonb_populate_record(old, generated)) THEN
    RETURN new;
  END IF;
  new.version := old.version + 1;
  IF new.updated_at = old.updated_at THEN
    new.updated_at := now();
  END IF;
  RETURN new;
END $$;--> statement-breakpoint
CREATE TRIGGER "tenon_raise_version" BEFORE UPDATE ON "categories" FOR EACH ROW WHEN (old.version = new.version) EXECUTE FUNCTION "tenon_raise_version"();--> statement-breakpoint
CREATE TRIGGER "tenon_raise_version" BEFORE UPDATE ON "items" FOR EACH ROW WHEN (old.version = new.version) EXECUTE FUNCTION "tenon_raise_version"();--> statement-breakpoint
CREATE TRIGGER "tenon_raise_version" BEFORE UPDATE ON "orders" FOR EACH ROW WHEN (old.version = new.version) EXECUTE FUNCTION "tenon_raise_version"();--> statement-breakpoint
CREATE TRIGGER "tenon_raise_version" BEFORE UPDATE ON "products" FOR EACH ROW WHEN (old.version = new.version) EXECUTE FUNCTION "tenon_raise_version"();--> statement-breakpoint
-- A new password hash without a version is a user's own change, or a rehash: "users_logged_out" tells it from an
-- administrator's by the version, and no answer shows it.
CREATE TRIGGER "tenon_raise_version" BEFORE UPDATE ON "users" FOR EACH ROW WHEN (old.version = new.version AND old.password_hash = new.password_hash) EXECUTE FUNCTION "tenon_raise_version"();--> statement-breakpoint
CREATE TRIGGER "tenon_raise_version" BEFORE UPDATE ON "roles" FOR EACH ROW WHEN (old.version = new.version) EXECUTE FUNCTION "tenon_raise_version"();--> statement-breakpoint
-- The last use of a key is written every few seconds and is no change of the key: an If-Match must not fail for it.
CREATE TRIGGER "tenon_raise_version" BEFORE UPDATE ON "api_keys" FOR EACH ROW WHEN (old.version = new.version AND old.last_used_at IS NOT DISTINCT FROM new.last_used_at) EXECUTE FUNCTION "tenon_raise_version"();
