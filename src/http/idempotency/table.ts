import { sql } from 'drizzle-orm'
import { index, integer, pgTable, primaryKey, text } from 'drizzle-orm/pg-core'
import { timestamp } from '#src/db/columns.ts'

/**
 * The first answer to each Idempotency-Key of each caller, written in the transaction that had the effect. This table
 * reveals neither keys nor answers nor requests: all are stored in a form that only the text of the key opens.
 */
export const idempotencyKeys = pgTable(
  'idempotency_keys',
  {
    caller: text('caller').notNull(),
    /** A hash of the key. */
    key: text('key').notNull(),
    /** A keyed hash of the request, so that the same key with another request is refused. */
    fingerprint: text('fingerprint').notNull(),
    /** Null until the answer is there; other transactions never see that. */
    status: integer('status'),
    /** JSON. */
    headers: text('headers'),
    /** Encrypted. */
    body: text('body'),
    createdAt: timestamp('created_at').notNull().default(sql`now()`),
    /**
     * For operations that are not one transaction: when the key's holder counts as dead, unless it renews the lease.
     */
    leasedUntil: timestamp('leased_until')
  },
  (table) => [
    primaryKey({ columns: [table.caller, table.key] }),
    index('idempotency_keys_created_at_idx').on(table.createdAt)
  ]
)
