import { setTimeout as sleep } from 'node:timers/promises'
import { isOk, send, tally } from '../load.ts'
import { bounded, type Promised, seen } from '../promise.ts'

const UNITS = 100
const AT_ONCE = 200

export default {
  name: 'stock',
  title: `10,000 orders for ${UNITS} units over three instances`,
  async show(lab) {
    const database = await lab.database()
    const urls = (await lab.instances(3, database.url)).map(({ url }) => url)
    const body = { sku: 'scarce', name: 'Scarce', priceCents: 100, stock: UNITS }
    const { id } = await lab.make(urls[0] as string, '/api/v1/products', body)
    const orders = lab.some(10_000, 1000)
    const call = {
      method: 'POST',
      path: '/api/v1/orders',
      headers: { 'x-api-key': lab.key },
      body: { lines: [{ productId: id, quantity: 1 }] }
    }
    let next = 0
    let refusals = 0
    // What is refused is ordered again when the server says.
    async function order(url: string) {
      for (;;) {
        const answer = await send(lab.agent, url, call)
        if (answer.status !== 503) return answer
        refusals += 1
        await sleep(Number(answer.headers['retry-after']) * 1000)
      }
    }
    const answers = await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        const own = []
        while (next < orders) {
          next += 1
          own.push(await order(urls[next % 3] as string))
        }
        return own
      })
    )
    const all = answers.flat()
    const sold = all.filter(isOk).length
    const [row] = await database.sql`
      select (select stock from products where id = ${id}) as stock, (select count(*)::int from orders) as orders`
    return [
      seen(
        `${all.length.toLocaleString('en')} orders (${tally(all)}), ${refusals.toLocaleString('en')} refusals before`
      ),
      bounded(sold === UNITS && row?.orders === UNITS, `${sold} sold, ${row?.orders} orders written`, `${UNITS}`),
      bounded(row?.stock === 0, `${row?.stock} left`, '0'),
      bounded(
        all.every((answer) => isOk(answer) || answer.status === 409),
        'the rest 409',
        'nothing else'
      )
    ]
  }
} satisfies Promised
