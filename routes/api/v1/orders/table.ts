import { sql } from 'drizzle-orm'
import { bigint, check, index, integer, pgTable, primaryKey, text, uuid } from 'drizzle-orm/pg-core'
import { resourceColumns, timestamp } from '#src/db/columns.ts'
import { users } from '#src/identity/tables/users.ts'
import { products } from '../products/table.ts'

export const orders = pgTable(
  'orders',
  {
    ...resourceColumns(),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id),
    status: text('status', { enum: ['pending', 'paid', 'shipped', 'cancelled'] })
      .notNull()
      .default('pending'),
    note: text('note'),
    totalCents: bigint('total_cents', { mode: 'number' }).notNull(),
    currency: text('currency').notNull(),
    placedAt: timestamp('placed_at').notNull().default(sql`now()`)
  },
  (table) => [
    index('orders_user_id_idx').on(table.userId, table.id),
    index('orders_status_idx').on(table.status, table.id),
    index('orders_total_cents_idx').on(table.totalCents, table.id),
    index('orders_placed_at_idx').on(table.placedAt, table.id),
    index('orders_created_at_idx').on(table.createdAt, table.id),
    check('orders_status_known', sql`${table.status} in ('pending', 'paid', 'shipped', 'cancelled')`)
  ]
)

export const orderLines = pgTable(
  'order_lines',
  {
    orderId: uuid('order_id')
      .notNull()
      .references(() => orders.id, { onDelete: 'cascade' }),
    /** The place in the order, from 0. */
    position: integer('position').notNull(),
    productId: uuid('product_id')
      .notNull()
      .references(() => products.id),
    quantity: integer('quantity').notNull(),
    /** The price when the order was placed: later changes of the product do not touch it. */
    unitPriceCents: integer('unit_price_cents').notNull()
  },
  (table) => [
    primaryKey({ columns: [table.orderId, table.position] }),
    index('order_lines_product_id_idx').on(table.productId),
    check('order_lines_quantity_positive', sql`${table.quantity} > 0`)
  ]
)
