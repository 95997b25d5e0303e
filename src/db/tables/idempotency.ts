import { sql } from 'drizzle-orm'
import { index, integer, pgTable, primaryKey, text } from 'drizzle-orm/pg-core'
import { timestamp } from './columns.ts'

/** The first answer to each Idempotency-Key of each caller, written in the transaction that had the effect. */
export const idempotencyKeys = pgTable(
  'idempotency_keys',
  {
    caller: text('caller').notNull(),
    key: text('key').notNull(),
    /** A hash of the request, so that the same key with another request is refused. */
    fingerprint: text('fingerprint').notNull(),
    /** Null only until the transaction that has the effect writes the answer: nobody else sees that. */
    status: integer('status'),
    /** JSON. */
    headers: text('headers'),
    body: text('body'),
    createdAt: timestamp('created_at').notNull().default(sql`now()`)
  },
  (table) => [
    primaryKey({ columns: [table.caller, table.key] }),
    index('idempotency_keys_created_at_idx').on(table.createdAt)
  ]
)
