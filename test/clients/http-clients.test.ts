import axios from 'axios'
import got from 'got'
import t from 'tap'
import { serveApp } from '../support/serve.ts'

const { origin, someone } = await serveApp(t)
const { token } = await someone('admin')
const authorization = `Bearer ${token}`
const api = `${origin}/api/v1/`

interface Row {
  id: string
  sku: string
  status: string
}
interface Page {
  data: Row[]
}

t.test('axios: create, list, conditional, a step without a body', async (t) => {
  const client = axios.create({ baseURL: api, headers: { authorization }, validateStatus: () => true })
  const made = await client.post<Row>('products', { sku: 'AXIOS', name: 'Desk', priceCents: 100, stock: 5 })
  t.equal(made.status, 201)
  const path = `products/${made.data.id}`

  const listed = await client.get<Page>('products', { params: { sku: 'AXIOS', 'priceCents[gte]': 100 } })
  t.match(listed.data.data, [{ sku: 'AXIOS' }])
  // It sends a list as `fields[]=id&fields[]=sku`.
  const several = await client.get<Page>('products', { params: { sku: 'AXIOS', fields: ['id', 'sku'] } })
  t.same(several.data.data, [{ id: made.data.id, sku: 'AXIOS' }])

  const etag = made.headers.etag as string
  t.equal((await client.get(path, { headers: { 'If-None-Match': etag } })).status, 304)
  const changed = await client.patch(path, { stock: 6 }, { headers: { 'If-Match': etag } })
  t.equal(changed.status, 200)
  t.match((await client.patch(path, { stock: 7 }, { headers: { 'If-Match': etag } })).data, {
    error: { code: 'PRECONDITION_FAILED' }
  })

  const headers = { 'Idempotency-Key': 'axios-1' }
  const order = await client.post<Row>('orders', { lines: [{ productId: made.data.id, quantity: 1 }] }, { headers })
  const again = await client.post<Row>('orders', { lines: [{ productId: made.data.id, quantity: 1 }] }, { headers })
  t.equal(again.data.id, order.data.id)
  t.equal(again.headers['idempotency-replayed'], 'true')
  // Without a body it says `application/x-www-form-urlencoded` and a length of 0.
  t.match(await client.post(`orders/${order.data.id}/pay`), { status: 200, data: { status: 'paid' } })
  const json = { headers: { 'Content-Type': 'application/json' } }
  t.match(await client.post(`orders/${order.data.id}/ship`, undefined, json), {
    status: 200,
    data: { status: 'shipped' }
  })
  t.equal((await client.delete(path, json)).status, 409, 'it was ordered')
  t.match((await client.post('products', {})).data, { error: { code: 'VALIDATION_FAILED' } })
})

t.test('got: create, list, conditional, a step without a body', async (t) => {
  const client = got.extend({
    prefixUrl: api,
    headers: { authorization },
    throwHttpErrors: false,
    responseType: 'json'
  })
  const made = await client.post<Row>('products', { json: { sku: 'GOT', name: 'Desk', priceCents: 100, stock: 5 } })
  t.equal(made.statusCode, 201)
  const path = `products/${made.body.id}`

  const listed = await client.get<Page>('products', { searchParams: { sku: 'GOT', 'priceCents[gte]': 100 } })
  t.match(listed.body.data, [{ sku: 'GOT' }])

  const etag = made.headers.etag as string
  const unchanged = await client.get(path, { headers: { 'if-none-match': etag }, responseType: 'text' })
  t.equal(unchanged.statusCode, 304)
  const headers = { 'if-match': etag }
  t.equal((await client.patch(path, { json: { stock: 6 }, headers })).statusCode, 200)
  t.match((await client.patch(path, { json: { stock: 7 }, headers })).body, { error: { code: 'PRECONDITION_FAILED' } })

  const order = await client.post<Row>('orders', { json: { lines: [{ productId: made.body.id, quantity: 1 }] } })
  t.match(await client.post(`orders/${order.body.id}/pay`), { statusCode: 200, body: { status: 'paid' } })
  const json = { headers: { 'content-type': 'application/json' } }
  t.match(await client.post(`orders/${order.body.id}/ship`, json), { statusCode: 200, body: { status: 'shipped' } })
  t.match((await client.post('products', { json: {} })).body, { error: { code: 'VALIDATION_FAILED' } })
})

t.test('got comes back after what Retry-After asks for', async (t) => {
  const { origin, someone } = await serveApp(t, { RATE_LIMIT_TIERS: '{"standard":[{"limit":2,"seconds":1}]}' })
  const { token } = await someone('admin')
  const read = () => got(`${origin}/api/v1/items`, { headers: { authorization: `Bearer ${token}` } })
  const answers = await Promise.all([read(), read(), read(), read()])
  t.same(
    answers.map(({ statusCode }) => statusCode),
    [200, 200, 200, 200]
  )
  t.ok(answers.some(({ retryCount }) => retryCount > 0))
})
