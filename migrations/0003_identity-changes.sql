-- Every instance keeps what it verified in memory. Whatever makes that wrong is told to all of them in the transaction
-- of the change itself, whoever makes it: by a notification, and by a row that a poll finds when LISTEN was cut.
CREATE FUNCTION "tenon_identity_changed"() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  subject text;
BEGIN
  subject := TG_ARGV[0] || ':' || (to_jsonb(CASE WHEN TG_OP = 'INSERT' THEN NEW ELSE OLD END) ->> TG_ARGV[1]);
  INSERT INTO "identity_changes" ("subject") VALUES (subject);
  PERFORM pg_notify('tenon_identity', subject);
  RETURN NULL;
END $$;
--> statement-breakpoint
CREATE TRIGGER "users_changed" AFTER UPDATE ON "users" FOR EACH ROW
  WHEN ((OLD.role, OLD.active) IS DISTINCT FROM (NEW.role, NEW.active))
  EXECUTE FUNCTION "tenon_identity_changed"('user', 'id');
--> statement-breakpoint
CREATE TRIGGER "users_deleted" AFTER DELETE ON "users" FOR EACH ROW
  EXECUTE FUNCTION "tenon_identity_changed"('user', 'id');
--> statement-breakpoint
CREATE TRIGGER "roles_changed" AFTER UPDATE OR DELETE ON "roles" FOR EACH ROW
  EXECUTE FUNCTION "tenon_identity_changed"('role', 'name');
--> statement-breakpoint
CREATE TRIGGER "sessions_changed" AFTER UPDATE ON "sessions" FOR EACH ROW
  WHEN (OLD.revoked_at IS DISTINCT FROM NEW.revoked_at)
  EXECUTE FUNCTION "tenon_identity_changed"('session', 'id');
--> statement-breakpoint
CREATE TRIGGER "sessions_deleted" AFTER DELETE ON "sessions" FOR EACH ROW
  EXECUTE FUNCTION "tenon_identity_changed"('session', 'id');
--> statement-breakpoint
-- Not when only the time of the last use was written.
CREATE TRIGGER "api_keys_changed" AFTER UPDATE ON "api_keys" FOR EACH ROW
  WHEN ((OLD.user_id, OLD.hash, OLD.previous_hash, OLD.previous_until, OLD.scopes, OLD.expires_at, OLD.allowed_cidrs, OLD.tier, OLD.enabled)
    IS DISTINCT FROM (NEW.user_id, NEW.hash, NEW.previous_hash, NEW.previous_until, NEW.scopes, NEW.expires_at, NEW.allowed_cidrs, NEW.tier, NEW.enabled))
  EXECUTE FUNCTION "tenon_identity_changed"('key', 'id');
--> statement-breakpoint
CREATE TRIGGER "api_keys_deleted" AFTER DELETE ON "api_keys" FOR EACH ROW
  EXECUTE FUNCTION "tenon_identity_changed"('key', 'id');
--> statement-breakpoint
CREATE TRIGGER "revoked_tokens_added" AFTER INSERT ON "revoked_tokens" FOR EACH ROW
  EXECUTE FUNCTION "tenon_identity_changed"('token', 'jti');
--> statement-breakpoint
CREATE TRIGGER "signing_keys_changed" AFTER INSERT OR UPDATE OR DELETE ON "signing_keys" FOR EACH ROW
  EXECUTE FUNCTION "tenon_identity_changed"('signing-key', 'kid');
--> statement-breakpoint
CREATE TRIGGER "external_identities_deleted" AFTER DELETE ON "external_identities" FOR EACH ROW
  EXECUTE FUNCTION "tenon_identity_changed"('external', 'user_id');
--> statement-breakpoint
-- A disabled user is logged out for good. So is one whose password an administrator set, which counts a version; a user's
-- own change keeps the session that it was made in, and a rehash changes nothing for them.
CREATE FUNCTION "tenon_end_sessions"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE "sessions" SET "revoked_at" = now() WHERE "user_id" = NEW.id AND "revoked_at" IS NULL;
  RETURN NULL;
END $$;
--> statement-breakpoint
CREATE TRIGGER "users_logged_out" AFTER UPDATE ON "users" FOR EACH ROW
  WHEN ((OLD.active AND NOT NEW.active) OR (OLD.password_hash <> NEW.password_hash AND OLD.version <> NEW.version))
  EXECUTE FUNCTION "tenon_end_sessions"();
--> statement-breakpoint
UPDATE "roles" SET "scopes" = "scopes" || ARRAY['api-keys:read', 'api-keys:write', 'api-keys:delete'] WHERE "name" = 'member';
