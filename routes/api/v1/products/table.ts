import { sql } from 'drizzle-orm'
import { boolean, check, index, integer, pgTable, text, uuid } from 'drizzle-orm/pg-core'
import { resourceColumns, searchIndex } from '#src/db/columns.ts'
import { categories } from '../categories/table.ts'

export const products = pgTable(
  'products',
  {
    ...resourceColumns(),
    sku: text('sku').notNull().unique(),
    name: text('name').notNull(),
    description: text('description'),
    priceCents: integer('price_cents').notNull(),
    currency: text('currency').notNull(),
    stock: integer('stock').notNull(),
    tags: text('tags').array().notNull(),
    categoryId: uuid('category_id').references(() => categories.id),
    active: boolean('active').notNull()
  },
  (table) => [
    index('products_name_idx').on(table.name, table.id),
    index('products_price_cents_idx').on(table.priceCents, table.id),
    index('products_stock_idx').on(table.stock, table.id),
    index('products_category_id_idx').on(table.categoryId, table.id),
    index('products_active_idx').on(table.active, table.id),
    index('products_created_at_idx').on(table.createdAt, table.id),
    index('products_tags_idx').using('gin', table.tags),
    searchIndex('products_search_idx', table.sku, table.name, table.description),
    // The last guard against overselling, whatever the code does.
    check('products_stock_not_negative', sql`${table.stock} >= 0`),
    check('products_price_not_negative', sql`${table.priceCents} >= 0`)
  ]
)
