import { asc, desc, eq, gte, sql } from 'drizzle-orm'
import { boolean, integer, pgTable, text, timestamp, uuid } from 'drizzle-orm/pg-core'
import { drizzle } from 'drizzle-orm/postgres-js'
import postgres from 'postgres'

const products = pgTable('products', {
  id: uuid('id').primaryKey(),
  sku: text('sku').notNull(),
  name: text('name').notNull(),
  description: text('description'),
  priceCents: integer('price_cents').notNull(),
  currency: text('currency').notNull(),
  stock: integer('stock').notNull(),
  tags: text('tags').array().notNull(),
  categoryId: uuid('category_id'),
  active: boolean('active').notNull(),
  createdAt: timestamp('created_at', { withTimezone: true, precision: 3 }).notNull().defaultNow(),
  updatedAt: timestamp('updated_at', { withTimezone: true, precision: 3 }).notNull().defaultNow()
})

/** Where a peer listens. */
export const port = Number(process.env.PORT)

const db = drizzle({
  client: postgres(process.env.DATABASE_URL as string, { max: Number(process.env.DATABASE_POOL_MAX ?? 10) })
})
const { placeholder } = sql

/** `{ id }` */
export const readProduct = db
  .select()
  .from(products)
  .where(eq(products.id, placeholder('id')))
  .prepare('read_product')

/** `{ limit }`: the newest first. */
export const listProducts = db
  .select()
  .from(products)
  .orderBy(desc(products.id))
  .limit(placeholder('limit'))
  .prepare('list_products')

/** `{ limit, minPriceCents }`: the cheapest of that price or more first. */
export const listProductsByPrice = db
  .select()
  .from(products)
  .where(gte(products.priceCents, placeholder('minPriceCents')))
  .orderBy(asc(products.priceCents), asc(products.id))
  .limit(placeholder('limit'))
  .prepare('list_products_by_price')

/** Sets columns of a product, which `changes` chooses: so it is built each time. */
export const updateProduct = (id: string, changes: Partial<typeof products.$inferInsert>) =>
  db
    .update(products)
    .set({ ...changes, updatedAt: new Date() })
    .where(eq(products.id, id))
    .returning()

/** `{ id }` */
export const deleteProduct = db
  .delete(products)
  .where(eq(products.id, placeholder('id')))
  .returning({ id: products.id })
  .prepare('delete_product')

/** `{ id, sku, name, description, priceCents, currency, stock, tags, categoryId, active }` */
export const createProduct = db
  .insert(products)
  .values({
    id: placeholder('id'),
    sku: placeholder('sku'),
    name: placeholder('name'),
    description: placeholder('description'),
    priceCents: placeholder('priceCents'),
    currency: placeholder('currency'),
    stock: placeholder('stock'),
    tags: placeholder('tags'),
    categoryId: placeholder('categoryId'),
    active: placeholder('active')
  })
  .returning()
  .prepare('create_product')
