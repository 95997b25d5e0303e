import { setTimeout as sleep } from 'node:timers/promises'
import { load, productId } from '../../throughput/database.ts'
import { isOk, longest, p99, send, startLoad, tally } from '../load.ts'
import { countLockWaits } from '../locks.ts'
import { bounded, type Promised, seen, under } from '../promise.ts'

const SLOW = 200
// What one route may have of ten connections.
const HELD = 6

export default {
  name: 'slow-queries',
  title: `Ten connections, ${SLOW} requests that wait for a locked row`,
  async show(lab) {
    const database = await lab.database()
    await load(database, 1000)
    const { url } = await lab.instance(database.url)
    const headers = { 'x-api-key': lab.key }
    const paths = [
      '/livez',
      '/openapi.json',
      '/.well-known/jwks.json',
      '/api/v1/products?limit=20',
      `/api/v1/products/${productId(2)}`
    ]
    // The first of a kind compiles what it needs.
    await send(lab.agent, url, {
      method: 'PATCH',
      path: `/api/v1/products/${productId(2)}`,
      headers,
      body: { stock: 1 }
    })
    for (const one of paths) await send(lab.agent, url, { path: one, headers })
    const unlock = Promise.withResolvers<void>()
    const locked = Promise.withResolvers<void>()
    const holding = database.sql.begin(async (tx) => {
      await tx`select from products where id = ${productId(1)} for update`
      locked.resolve()
      await unlock.promise
    })
    await locked.promise
    const path = `/api/v1/products/${productId(1)}`
    const slow = Array.from({ length: SLOW }, (_none, n) =>
      send(lab.agent, url, { method: 'PATCH', path, headers, body: { stock: n } })
    )
    while ((await countLockWaits(database)) < HELD);
    const others = paths.map((one) =>
      startLoad(40, () => send(lab.agent, url, { path: one, ...(one.startsWith('/api') && { headers }) }))
    )
    await sleep(lab.some(5000, 3000))
    const answers = await Promise.all(others.map((other) => other.stop()))
    unlock.resolve()
    await holding
    const held = await Promise.all(slow)
    return [
      ...answers.flatMap((some, at) => {
        const failed = some.filter((answer) => !isOk(answer)).length
        const what = (paths[at] as string).replace(productId(2), ':id')
        return [
          under(50, `p99 of ${what}`, p99(some)),
          ...(failed > 0 ? [bounded(false, `${failed} of ${some.length} not served`, 'none')] : [])
        ]
      }),
      seen(`the slow ones: ${tally(held)}, longest ${Math.round(longest(held))} ms`)
    ]
  }
} satisfies Promised
