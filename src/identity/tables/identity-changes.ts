import { sql } from 'drizzle-orm'
import { bigint, index, pgTable, text } from 'drizzle-orm/pg-core'
import { timestamp } from '#src/db/columns.ts'

/**
 * What triggers wrote down about changes of users, roles, sessions and keys: the net below LISTEN.
 * By transaction and not by a sequence, because a lower number of a sequence may become visible after a higher one.
 */
export const identityChanges = pgTable(
  'identity_changes',
  {
    xid: bigint('xid', { mode: 'number' }).notNull().default(sql`(pg_current_xact_id()::text)::bigint`),
    /** `<kind>:<id>`, as the notification says it. */
    subject: text('subject').notNull(),
    at: timestamp('at').notNull().default(sql`now()`)
  },
  (table) => [index('identity_changes_xid_idx').on(table.xid), index('identity_changes_at_idx').on(table.at)]
)
