import { sql } from 'drizzle-orm'
import { type AnyPgColumn, boolean, index, jsonb, pgTable, text, uuid } from 'drizzle-orm/pg-core'
import { resourceColumns, timestamp } from '#src/db/columns.ts'
import { users } from './users.ts'

/** API keys. Only a hash of the secret is stored: it has 256 bits, so a fast hash is enough. */
export const apiKeys = pgTable(
  'api_keys',
  {
    ...resourceColumns(),
    /** The maker: the key acts for this user. */
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    /** The key that made this one; this one is deleted with it. */
    parentId: uuid('parent_id').references((): AnyPgColumn => apiKeys.id, { onDelete: 'cascade' }),
    name: text('name').notNull(),
    /** The start of the key, to recognise it by. */
    prefix: text('prefix').notNull(),
    /** SHA-256 of the whole key, base64url. */
    hash: text('hash').notNull(),
    /** After a rotation: the previous key, and the end of its use. */
    previousHash: text('previous_hash'),
    previousUntil: timestamp('previous_until'),
    scopes: text('scopes').array().notNull(),
    expiresAt: timestamp('expires_at'),
    allowedCidrs: text('allowed_cidrs').array(),
    tier: text('tier'),
    metadata: jsonb('metadata').$type<Record<string, string>>(),
    enabled: boolean('enabled').notNull().default(sql`true`),
    lastUsedAt: timestamp('last_used_at')
  },
  (table) => [
    index('api_keys_user_id_idx').on(table.userId, table.id),
    index('api_keys_parent_id_idx').on(table.parentId),
    index('api_keys_name_idx').on(table.name, table.id),
    index('api_keys_created_at_idx').on(table.createdAt, table.id)
  ]
)
