import { sql } from 'drizzle-orm'
import { bigint, check, index, integer, jsonb, pgTable, text, uniqueIndex, uuid } from 'drizzle-orm/pg-core'
import { timestamp } from '#src/db/columns.ts'

/**
 * The outbox: one for each change of a row of a resource that declares `events`, written by the triggers of its table in
 * the transaction of the change.
 */
export const events = pgTable(
  'events',
  {
    id: uuid('id').primaryKey().default(sql`tenon_event_id()`),
    /** The order of writing. Of two events of one subject the first commit has the lower number. */
    written: bigint('written', { mode: 'number' }).notNull().generatedAlwaysAsIdentity(),
    /** The place in the order that readers follow; null until the event is placed (`place.ts`). */
    position: bigint('position', { mode: 'number' }),
    /** The name of the resource: `products`. */
    resource: text('resource').notNull(),
    /** `product.created`. */
    type: text('type').notNull(),
    /** `products/<id>`. */
    subject: text('subject').notNull(),
    /** The owner of the row; null where rows of the resource have none. */
    ownerId: uuid('owner_id'),
    /** The row by its columns, without what callers never read. A deleted row as it was last. */
    stored: jsonb('stored').notNull(),
    userId: uuid('user_id'),
    keyId: uuid('key_id'),
    requestId: text('request_id'),
    createdAt: timestamp('created_at').notNull().default(sql`now()`)
  },
  (table) => [
    index('events_unplaced_idx').on(table.written).where(sql`${table.position} is null`),
    uniqueIndex('events_position_idx').on(table.position).where(sql`${table.position} is not null`),
    index('events_subject_idx').on(table.subject, table.position).where(sql`${table.position} is not null`)
  ]
)

/** One row: the last place that was given away. Its lock makes those that place events take turns. */
export const eventHead = pgTable(
  'event_head',
  {
    id: integer('id').primaryKey(),
    position: bigint('position', { mode: 'number' }).notNull()
  },
  (table) => [check('event_head_is_one', sql`${table.id} = 1`)]
)
