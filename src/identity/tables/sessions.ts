import { sql } from 'drizzle-orm'
import { index, pgTable, text, uuid } from 'drizzle-orm/pg-core'
import { v7 } from 'uuid'
import { timestamp } from '#src/db/columns.ts'
import { users } from './users.ts'

/** A login, and its family of refresh tokens. Only hashes of the tokens are stored. */
export const sessions = pgTable(
  'sessions',
  {
    id: uuid('id').primaryKey().$defaultFn(v7),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    /** The API key of the login's OAuth client; null for this API's own client. */
    clientId: uuid('client_id'),
    /** The scopes granted at its start, which its refreshes keep to; null for all scopes of the role. */
    scopes: text('scopes').array(),
    /** SHA-256, base64url. */
    tokenHash: text('token_hash').notNull(),
    /** The previous token, which for a short while gives the same successor again. */
    previousHash: text('previous_hash'),
    rotatedAt: timestamp('rotated_at').notNull().default(sql`now()`),
    createdAt: timestamp('created_at').notNull().default(sql`now()`),
    /** The end of an unused login; moved by each use. */
    idleExpiresAt: timestamp('idle_expires_at').notNull(),
    /** The end of the login at the latest. */
    expiresAt: timestamp('expires_at').notNull(),
    userAgent: text('user_agent'),
    ip: text('ip'),
    revokedAt: timestamp('revoked_at')
  },
  (table) => [
    index('sessions_user_id_idx').on(table.userId, table.id),
    index('sessions_expires_at_idx').on(table.expiresAt)
  ]
)
