import { sql } from 'drizzle-orm'
import { index, pgTable, text, uuid } from 'drizzle-orm/pg-core'
import { v7 } from 'uuid'
import { timestamp } from '#src/db/columns.ts'
import { users } from './users.ts'

/** A login, and the family of refresh tokens that goes on from it. Of the tokens only hashes are here. */
export const sessions = pgTable(
  'sessions',
  {
    id: uuid('id').primaryKey().$defaultFn(v7),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    /** The API key that the login came through as an OAuth client; null for this API's own. */
    clientId: uuid('client_id'),
    /** What was granted at its start, where that was not all that the role allows: its refreshes keep to it. */
    scopes: text('scopes').array(),
    /** SHA-256, base64url. */
    tokenHash: text('token_hash').notNull(),
    /** The token before, which for a short while gives the same successor again. */
    previousHash: text('previous_hash'),
    rotatedAt: timestamp('rotated_at').notNull().default(sql`now()`),
    createdAt: timestamp('created_at').notNull().default(sql`now()`),
    /** Ends when it was not used for so long; moved by each use. */
    idleExpiresAt: timestamp('idle_expires_at').notNull(),
    /** Ends then at the latest. */
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
