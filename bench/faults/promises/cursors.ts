import { load } from '../../throughput/database.ts'
import { send } from '../load.ts'
import { bounded, none, type Promised, seen } from '../promise.ts'

const SORTS = ['-priceCents', 'name', 'categoryId']

export default {
  name: 'cursors',
  title: 'Cursors while rows come and go',
  async show(lab) {
    const rows = lab.some(20_000, 3000)
    const database = await lab.database()
    await load(database, rows)
    const { url } = await lab.instance(database.url)
    const { sql } = database
    let isWalking = true
    let changes = 0
    // Every tenth row goes, and as many come; some of those that stay are changed where no sort looks.
    const churn = (async () => {
      for (let n = 0; isWalking; n += 1) {
        await sql`
          insert into products (id, sku, name, price_cents, currency, stock, tags, active)
          values (gen_random_uuid(), ${`new-${n}`}, ${`Product ${n}`}, ${(n * 7919) % 100_000}, 'USD', 1, '{}', true)`
        await sql`delete from products where sku = ${`SKU-${(n % rows) * 10}`}`
        await sql`update products set stock = stock + 1 where sku = ${`SKU-${((n * 7919) % rows) + 1}`}`
        changes += 3
      }
    })()
    let pages = 0
    let [missed, doubled, walked] = [0, 0, 0]
    for (const sort of SORTS) {
      const times = new Map<string, number>()
      let cursor: string | null = ''
      do {
        const path = `/api/v1/products?limit=200&sort=${sort}${cursor && `&cursor=${encodeURIComponent(cursor)}`}`
        const answer = await send(lab.agent, url, { path, headers: { 'x-api-key': lab.key } })
        if (answer.status !== 200) throw new Error(`${path} answered ${answer.status}`)
        const { data, page } = JSON.parse(answer.body) as { data: { sku: string }[]; page: { next: string | null } }
        for (const { sku } of data) times.set(sku, (times.get(sku) ?? 0) + 1)
        cursor = page.next
        pages += 1
      } while (cursor)
      for (let n = 1; n <= rows; n += 1) {
        if (n % 10 === 0) continue
        walked += 1
        const count = times.get(`SKU-${n}`) ?? 0
        if (count === 0) missed += 1
        if (count > 1) doubled += 1
      }
    }
    isWalking = false
    await churn
    return [
      seen(`${pages} pages in ${SORTS.length} orders, ${changes.toLocaleString('en')} changes meanwhile`),
      none('rows that stayed missed', missed, walked),
      none('twice', doubled, walked),
      bounded(changes > pages, `${Math.round(changes / pages)} changes a page`, 'some')
    ]
  }
} satisfies Promised
