import { index, pgTable, text } from 'drizzle-orm/pg-core'
import { timestamp } from '#src/db/columns.ts'

/** Access tokens without a session (of `client_credentials`) that were revoked before they expired. */
export const revokedTokens = pgTable(
  'revoked_tokens',
  {
    jti: text('jti').primaryKey(),
    expiresAt: timestamp('expires_at').notNull()
  },
  (table) => [index('revoked_tokens_expires_at_idx').on(table.expiresAt)]
)
