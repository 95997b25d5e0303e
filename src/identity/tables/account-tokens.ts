import { sql } from 'drizzle-orm'
import { index, pgTable, text, uuid } from 'drizzle-orm/pg-core'
import { timestamp } from '#src/db/columns.ts'
import { users } from './users.ts'

/** The tokens that are sent by mail, each for one use within an hour. Used ones stay until then: they are counted. */
export const accountTokens = pgTable(
  'account_tokens',
  {
    /** The id of the job that sends it: another attempt of the job replaces the token. */
    id: uuid('id').primaryKey(),
    /** SHA-256, base64url. */
    hash: text('hash').notNull().unique(),
    purpose: text('purpose', { enum: ['reset-password', 'verify-email', 'change-email'] }).notNull(),
    /** Null when the user was deleted: the row still counts for the address. */
    userId: uuid('user_id').references(() => users.id, { onDelete: 'set null' }),
    /** The address that it was sent to. */
    email: text('email').notNull(),
    /** Stands for the user's e-mail and password at that time: a change of either makes the token void. */
    state: text('state').notNull(),
    createdAt: timestamp('created_at').notNull().default(sql`now()`),
    expiresAt: timestamp('expires_at').notNull(),
    usedAt: timestamp('used_at')
  },
  (table) => [
    index('account_tokens_email_idx').on(table.email, table.purpose),
    index('account_tokens_user_id_idx').on(table.userId, table.purpose),
    index('account_tokens_expires_at_idx').on(table.expiresAt)
  ]
)
