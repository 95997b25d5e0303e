import { send, tally } from '../load.ts'
import { bounded, type Promised, seen } from '../promise.ts'

const WRITERS = 100

export default {
  name: 'etag',
  title: `${WRITERS} PUTs with one ETag over three instances`,
  async show(lab) {
    const database = await lab.database()
    const urls = (await lab.instances(3, database.url)).map(({ url }) => url)
    const product = { sku: 'contested', name: 'Contested', priceCents: 100 }
    const { id } = await lab.make(urls[0] as string, '/api/v1/products', product)
    const path = `/api/v1/products/${id}`
    const rounds = lab.some(10, 3)
    let [winners, losers] = [0, 0]
    const all = []
    for (let round = 0; round < rounds; round += 1) {
      const { headers } = await send(lab.agent, urls[0] as string, { path })
      const answers = await Promise.all(
        Array.from({ length: WRITERS }, (_none, n) =>
          send(lab.agent, urls[n % 3] as string, {
            method: 'PUT',
            path,
            headers: { 'x-api-key': lab.key, 'if-match': headers.etag as string },
            body: { ...product, description: null, currency: 'USD', tags: [], categoryId: null, active: true, stock: n }
          })
        )
      )
      winners += answers.filter(({ status }) => status === 200).length
      losers += answers.filter(({ status }) => status === 412).length
      all.push(...answers)
    }
    return [
      bounded(winners === rounds, `${winners} winners in ${rounds} rounds`, 'one each'),
      bounded(losers === rounds * (WRITERS - 1), `${losers} × 412`, `${WRITERS - 1} each`),
      ...(winners + losers < all.length ? [seen(tally(all))] : [])
    ]
  }
} satisfies Promised
