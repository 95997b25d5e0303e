import { eq, sql } from 'drizzle-orm'
import { integer, pgTable } from 'drizzle-orm/pg-core'
import t from 'tap'
import { categories } from '#routes/api/v1/categories/table.ts'
import { writtenTables } from '#src/db/notifications/write-tracker.ts'
import { openDatabase } from '#src/db/open.ts'
import { createDatabase } from '#test/support/database.ts'
import { startWire } from '#test/support/wire.ts'

for (const [text, tables] of [
  ['select "id" from "products" for update', []],
  ['insert into "products" ("id") values ($1)', ['products']],
  ['update "products" set "stock" = 1', ['products']],
  ['delete from "order_lines" where true', ['order_lines']],
  ['UPDATE ONLY public.products SET stock = 1', ['products']],
  ['truncate table "products"', ['products']],
  ['merge into "products" using x on true', ['products']],
  ['with item as (select 1) insert into "shop"."products" select 1', ['products']],
  ['with gone as (delete from "orders" returning id) update "products" set "stock" = 2', ['orders', 'products']]
] as const) {
  t.test(`what it writes: ${text}`, async (t) => t.same(writtenTables(text), tables))
}

t.test('a write is told before its request continues, and a transaction when it ended', async (t) => {
  const { DATABASE_URL: url, DATA_DIR: dataDir } = await createDatabase(t)
  const { db, writes, close } = await openDatabase({ url, dataDir, poolMax: 2 })
  t.teardown(close)
  await db.insert(categories).values({ name: 'untold: nobody listens' })
  const told: string[] = []
  writes.onWrite((tables) => told.push(...tables))
  const since = () => told.splice(0)

  const [made] = await db.insert(categories).values({ name: 'a' }).returning({ id: categories.id })
  t.same(since(), ['categories'])
  await db
    .update(categories)
    .set({ name: 'b' })
    .where(eq(categories.id, made?.id as string))
  t.same(since(), ['categories'])
  await t.rejects(db.insert(categories).values({ name: 'b' }))
  t.same(since(), ['categories'], 'also a failure, which may have been a success that got lost')
  await db.select().from(categories)
  t.same(since(), [])
  await db
    .transaction(async (tx) => {
      await tx.execute(sql`delete from sessions`)
      await tx.transaction((inner) => inner.update(categories).set({ name: 'c' }))
      t.same(since(), [], 'nobody else can see it yet')
    })
    .catch((error) => t.match(error, { cause: { code: '23505' } }))
  t.same(since(), ['sessions', 'categories'])
})

t.test('the same through the protocol of a server', async (t) => {
  const wire = await startWire(t)
  const { db, writes, close } = await openDatabase({ url: wire.url, dataDir: '', poolMax: 1 })
  t.teardown(close)
  await db.execute(sql`create table notes (id integer primary key)`)
  const told: string[] = []
  writes.onWrite((tables) => told.push(...tables))
  const notes = pgTable('notes', { id: integer('id').primaryKey() })
  await db.insert(notes).values({ id: 1 })
  await db.insert(notes).values({ id: 2 }).returning({ id: notes.id })
  t.same(told.splice(0), ['notes', 'notes'])
  await db.transaction(async (tx) => {
    await tx.transaction((inner) => inner.update(notes).set({ id: 3 }).where(eq(notes.id, 1)))
    t.same(told, [])
  })
  t.same(told.splice(0), ['notes'])
  t.equal((await db.select().from(notes)).length, 2)
  t.same(told, [])
})
