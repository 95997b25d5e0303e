import t from 'tap'
import { startApp } from '#test/support/app.ts'
import { startService } from '#test/support/service.ts'

let answer: { status: number; body: string } = { status: 200, body: '{"rate":0.925}' }
let onAsked: () => Promise<unknown> = async () => {}
const service = await startService(t, async (response) => {
  await onAsked()
  response.writeHead(answer.status).end(answer.body)
})
const { send, someone } = await startApp(t, { RATES_URL: `${service.origin}/rates?plan=free` })
const [admin, ada] = [await someone('admin'), await someone()]

let count = 0
async function product(currency: string, priceCents = 1001): Promise<string> {
  count += 1
  const body = { sku: `P${count}`, name: 'Thing', priceCents, stock: 50, currency }
  return (await send('POST', '/api/v1/products', { as: admin.token, body })).body.id
}
const order = (...ids: string[]) =>
  send('POST', '/api/v1/orders', {
    as: ada.token,
    body: { lines: ids.map((productId) => ({ productId, quantity: 2 })) }
  })
const [euro, dollar, yen] = [await product('EUR'), await product('USD'), await product('JPY')]
const stockOf = async (id: string) => (await send('GET', `/api/v1/products/${id}`)).body.stock

t.test('an order has the currency of its first product, and the others cost what their rate says', async (t) => {
  const { status, body } = await order(euro, dollar)
  t.equal(status, 201)
  t.match(body, {
    currency: 'EUR',
    totalCents: 2 * 1001 + 2 * 926,
    lines: [{ unitPriceCents: 1001 }, { unitPriceCents: 926 }]
  })
  t.match(service.seen, [{ method: 'GET', url: '/rates?plan=free&from=USD&to=EUR' }])
})

t.test('a rate is asked for once for each currency, and not for orders of one', async (t) => {
  service.seen.length = 0
  t.equal((await order(dollar, euro, yen, euro)).status, 201)
  t.same(service.seen.map(({ url }) => url).sort(), [
    '/rates?plan=free&from=EUR&to=USD',
    '/rates?plan=free&from=JPY&to=USD'
  ])
  t.equal((await order(yen)).status, 201)
  t.equal(service.seen.length, 2)
})

t.test('products that do not exist are refused as without rates', async (t) => {
  const nothing = '01890000-0000-7000-8000-000000000000'
  for (const ids of [
    [nothing, euro],
    [euro, nothing]
  ] as const) {
    const refused = await order(...ids)
    t.equal(refused.status, 422)
    t.match(refused.body.details, [{ code: /reference|currency/ }])
  }
})

t.test(
  'a currency that changes while the rate is asked for is refused, and not priced by the wrong rate',
  async (t) => {
    const [first, second] = [await product('EUR'), await product('USD')]
    onAsked = () => send('PATCH', `/api/v1/products/${first}`, { as: admin.token, body: { currency: 'GBP' } })
    const refused = await order(first, second)
    onAsked = async () => {}
    t.match(refused, { status: 422, body: { details: [{ path: '/lines/1/productId', code: 'currency' }] } })
  }
)

t.test('a price that no column can hold is refused', async (t) => {
  answer = { status: 200, body: '{"rate":1e9}' }
  t.equal((await order(euro, dollar)).status, 422)
})

t.test('the deadline of the request ends the wait for a rate', async (t) => {
  const released = Promise.withResolvers<void>()
  onAsked = () => released.promise
  const body = { lines: [euro, dollar].map((productId) => ({ productId, quantity: 1 })) }
  const refused = await send('POST', '/api/v1/orders', { as: ada.token, body, headers: { 'request-timeout': '0.3' } })
  onAsked = async () => {}
  released.resolve()
  t.match(refused, { status: 503, body: { error: { code: 'DEADLINE_EXCEEDED' } } })
})

t.test('503 with its own code while the service fails, and at once while it is left alone', async (t) => {
  const before = await stockOf(euro)
  for (const wrong of [
    { status: 404, body: '' },
    { status: 200, body: '{}' },
    { status: 200, body: '<p>' },
    { status: 200, body: '{"rate":0}' }
  ]) {
    answer = wrong
    const refused = await order(euro, dollar)
    t.match(refused, { status: 503, headers: { 'retry-after': '5' }, body: { error: { code: 'RATES_UNAVAILABLE' } } })
  }
  answer = { status: 500, body: 'inside' }
  for (let tries = 0; tries < 5; tries += 1) {
    const refused = await order(euro, dollar)
    t.match(refused, { status: 503, body: { error: { code: 'RATES_UNAVAILABLE' } } })
    t.notMatch(refused.text, 'inside')
  }
  const { length } = service.seen
  t.match(await order(euro, dollar), { status: 503, body: { error: { code: 'RATES_UNAVAILABLE' } } })
  t.equal(service.seen.length, length, 'nothing is sent while it is left alone')
  t.equal((await order(euro)).status, 201, 'orders of one currency go on')
  t.equal(await stockOf(euro), before - 2, 'nothing was taken for the others')
})
