import { sql } from 'drizzle-orm'
import t from 'tap'
import { startApp } from '#test/support/app.ts'

const ROWS = 100_000

const { app, send } = await startApp(t)

// Many ties and nulls: 1,000 prices, 50 categories and a tenth of the rows without one.
await app.db.execute(sql`
  insert into categories (id, name) select gen_random_uuid(), 'category ' || n from generate_series(1, 50) as n`)
// In parts: on a busy machine one statement for so many rows would exceed the statement timeout.
for (let first = 1; first <= ROWS; first += 10_000) {
  await app.db.execute(sql`
    insert into products (id, sku, name, price_cents, currency, stock, tags, category_id, active)
    select gen_random_uuid(), 'sku ' || n, 'name ' || (n * 7919 % 100000), n * 31 % 1000, 'USD', n % 10, '{}',
      case when n % 10 = 0 then null else (select id from categories where name = 'category ' || (n % 50 + 1)) end, true
    from generate_series(${first}::integer, ${first + 9_999}::integer) as n`)
}
await app.db.execute(sql`analyze products`)

t.test('every row that is there throughout is found exactly once, while others come and go', async (t) => {
  const sorts = ['-priceCents', 'categoryId', '-categoryId', 'name']
  for (const [turn, sort] of sorts.entries()) {
    const seen = new Map<string, number>()
    let cursor: string | null = null
    let pages = 0
    do {
      const from: string = cursor ? `&cursor=${cursor}` : ''
      const { body } = await send('GET', `/api/v1/products?limit=200&sort=${sort}${from}`)
      for (const { sku } of body.data) seen.set(sku, (seen.get(sku) ?? 0) + 1)
      cursor = body.page.next
      pages += 1
      if (pages % 20 === 0) await comeAndGo(turn, pages)
    } while (cursor)
    let wrong = 0
    for (let n = 1; n <= ROWS; n += 1) {
      // Each turn deletes its own hundredth of the rows, from all over.
      const isDeleted = sorts.slice(0, turn + 1).some((_, index) => n % 100 === index + 1)
      const times = seen.get(`sku ${n}`) ?? 0
      if (isDeleted ? times > 1 : times !== 1) wrong += 1
    }
    t.equal(wrong, 0, sort)
    t.ok(pages >= ROWS / 200 - 20, `${pages} pages`)
  }
})

async function comeAndGo(turn: number, pages: number): Promise<void> {
  const batch = pages / 20
  await app.db.execute(sql`
    delete from products where sku in
      (select 'sku ' || n from generate_series(${turn + 1}::integer, ${ROWS}::integer, 100) as n where n % 26 = ${batch % 26})`)
  await app.db.execute(sql`
    insert into products (id, sku, name, price_cents, currency, stock, tags, category_id, active)
    select gen_random_uuid(), 'new ' || ${turn}::integer || ' ' || ${batch}::integer || ' ' || n, 'name ' || n * 997, n * 10, 'USD', 1, '{}', null, true
    from generate_series(1, 100) as n`)
}
