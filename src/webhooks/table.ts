import { sql } from 'drizzle-orm'
import { bigint, boolean, check, index, integer, pgTable, text, uniqueIndex, uuid } from 'drizzle-orm/pg-core'
import { resourceColumns, timestamp } from '#src/db/columns.ts'
import { users } from '#src/identity/tables/users.ts'

/** Where events are sent to. */
export const webhooks = pgTable(
  'webhooks',
  {
    ...resourceColumns(),
    /** The maker: what this user may read is sent. */
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id, { onDelete: 'cascade' }),
    /** The key that made it: what the key may read is sent, as long as the key is valid. */
    keyId: uuid('key_id'),
    /** The bound of a maker with less than all rights of its role; null without one. */
    scopes: text('scopes').array(),
    url: text('url').notNull(),
    /** Types of events, or beginnings of types: `order.*`. */
    events: text('events').array().notNull(),
    description: text('description'),
    enabled: boolean('enabled').notNull(),
    /** Why the server disabled it. */
    disabledReason: text('disabled_reason'),
    /** Since when no delivery succeeded; null after one that did. */
    failingSince: timestamp('failing_since'),
    /** The secret that signs, encrypted; after a rotation the one before, and until when it signs as well. */
    secret: text('secret').notNull(),
    previousSecret: text('previous_secret'),
    previousUntil: timestamp('previous_until'),
    /** The place in the order of events behind which it gets them. */
    since: bigint('since', { mode: 'number' }).notNull()
  },
  (table) => [
    index('webhooks_user_id_idx').on(table.userId, table.id),
    index('webhooks_created_at_idx').on(table.createdAt, table.id)
  ]
)

/** Events on their way to a webhook, and those that arrived or were given up. */
export const webhookDeliveries = pgTable(
  'webhook_deliveries',
  {
    id: uuid('id').primaryKey(),
    webhookId: uuid('webhook_id')
      .notNull()
      .references(() => webhooks.id, { onDelete: 'cascade' }),
    /** The header `webhook-id`, the same for each attempt: the id of the event. */
    messageId: uuid('message_id').notNull(),
    /** The type of the event, or `webhook.ping`. */
    type: text('type').notNull(),
    state: text('state', { enum: ['pending', 'delivered', 'failed'] })
      .notNull()
      .default('pending'),
    attempts: integer('attempts').notNull().default(0),
    /** Null once it was delivered or given up. */
    nextAttemptAt: timestamp('next_attempt_at').default(sql`now()`),
    /** The job that is at it, and until when others leave it alone. */
    claimedBy: uuid('claimed_by'),
    claimedUntil: timestamp('claimed_until'),
    /** Of the last attempt. */
    attemptedAt: timestamp('attempted_at'),
    durationMs: integer('duration_ms'),
    status: integer('status'),
    error: text('error'),
    answer: text('answer'),
    createdAt: timestamp('created_at').notNull().default(sql`now()`)
  },
  (table) => [
    uniqueIndex('webhook_deliveries_message_idx').on(table.webhookId, table.messageId),
    index('webhook_deliveries_webhook_idx').on(table.webhookId, table.id),
    index('webhook_deliveries_pending_idx')
      .on(table.webhookId, table.nextAttemptAt)
      .where(sql`${table.state} = 'pending'`),
    index('webhook_deliveries_created_idx').on(table.createdAt)
  ]
)

/** One row: the place of the last event that deliveries were made of. */
export const webhookHead = pgTable(
  'webhook_head',
  {
    id: integer('id').primaryKey(),
    position: bigint('position', { mode: 'number' }).notNull()
  },
  (table) => [check('webhook_head_is_one', sql`${table.id} = 1`)]
)
