ALTER TABLE "api_keys" ADD COLUMN "parent_id" uuid;--> statement-breakpoint
ALTER TABLE "sessions" ADD COLUMN "scopes" text[];--> statement-breakpoint
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_parent_id_api_keys_id_fk" FOREIGN KEY ("parent_id") REFERENCES "public"."api_keys"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "api_keys_parent_id_idx" ON "api_keys" USING btree ("parent_id");--> statement-breakpoint
-- A key that is switched off takes the keys that it made with it, and those theirs: one that leaked may have made some.
CREATE FUNCTION "tenon_disable_keys_of_key"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE "api_keys" SET "enabled" = false, "updated_at" = now(), "version" = "version" + 1
    WHERE "parent_id" = NEW.id AND "enabled";
  RETURN NULL;
END $$;
--> statement-breakpoint
CREATE TRIGGER "api_keys_disabled" AFTER UPDATE ON "api_keys" FOR EACH ROW
  WHEN (OLD.enabled AND NOT NEW.enabled)
  EXECUTE FUNCTION "tenon_disable_keys_of_key"();
