-- The two roles that every installation has. More are added through the API.
INSERT INTO "roles" ("name", "scopes") VALUES
  ('admin', ARRAY['*']),
  ('member', ARRAY['categories:read', 'products:read', 'items:read', 'items:write', 'items:delete', 'orders:read', 'orders:write'])
ON CONFLICT DO NOTHING;
