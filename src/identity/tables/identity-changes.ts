import { sql } from 'drizzle-orm'
import { bigint, index, pgTable, text } from 'drizzle-orm/pg-core'
import { timestamp } from '#src/db/columns.ts'

/**
 * Changes of users, roles, sessions and keys, written by triggers: the fallback for LISTEN. Numbered by transaction,
 * since a lower number of a sequence may become visible after a higher one.
 */
export const identityChanges = pgTable(
  'identity_changes',
  {
    xid: bigint('xid', { mode: 'number' }).notNull().default(sql`(pg_current_xact_id()::text)::bigint`),
    /** `<kind>:<id>`, as in the notification. */
    subject: text('subject').notNull(),
    at: timestamp('at').notNull().default(sql`now()`)
  },
  (table) => [index('identity_changes_xid_idx').on(table.xid), index('identity_changes_at_idx').on(table.at)]
)
