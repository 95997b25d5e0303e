import { eq } from 'drizzle-orm'
import t from 'tap'
import { orderLines } from '#routes/api/v1/orders/table.ts'
import { type Answered, startApp } from '#test/support/app.ts'
import { patiently } from '#test/support/patiently.ts'

const { app, send, someone } = await startApp(t)
const [admin, ada, bob] = [await someone('admin'), await someone(), await someone()]

let count = 0
async function product(stock: number, more: object = {}): Promise<string> {
  count += 1
  const body = { sku: `P${count}`, name: 'Thing', priceCents: 250, stock, ...more }
  return (await send('POST', '/api/v1/products', { as: admin.token, body })).body.id
}
const stockOf = async (id: string) => (await send('GET', `/api/v1/products/${id}`)).body.stock
const order = (lines: object[], as = ada.token, more: object = {}): Promise<Answered> =>
  patiently(() => send('POST', '/api/v1/orders', { as, body: { lines, ...more } }))
const step = (id: string, name: string, as = ada.token) => send('POST', `/api/v1/orders/${id}/${name}`, { as })

t.test('an order takes the stock and fixes the prices', async (t) => {
  const [chair, desk] = [await product(10), await product(5, { priceCents: 1000 })]
  const placed = await order(
    [
      { productId: chair, quantity: 3 },
      { productId: desk, quantity: 1 }
    ],
    ada.token,
    { note: 'Soon' }
  )
  t.equal(placed.status, 201)
  t.equal(placed.headers.location, `/api/v1/orders/${placed.body.id}`)
  t.match(placed.body, {
    status: 'pending',
    totalCents: 1750,
    currency: 'USD',
    note: 'Soon',
    userId: ada.id,
    lines: [
      { productId: chair, quantity: 3, unitPriceCents: 250 },
      { productId: desk, quantity: 1, unitPriceCents: 1000 }
    ]
  })
  t.equal(await stockOf(chair), 7)
  await send('PATCH', `/api/v1/products/${chair}`, { as: admin.token, body: { priceCents: 1 } })
  t.same((await send('GET', `/api/v1/orders/${placed.body.id}`, { as: ada.token })).body, placed.body)
  t.match(await send('GET', `/api/v1/products/${chair}`), { headers: { etag: '"3"' } }, 'a sale changes the product')
})

t.test('too little stock is 409, names the lines, and changes nothing', async (t) => {
  const [chair, desk] = [await product(2), await product(5)]
  const refused = await order([
    { productId: desk, quantity: 5 },
    { productId: chair, quantity: 3 }
  ])
  t.match(refused, {
    status: 409,
    body: {
      error: { code: 'OUT_OF_STOCK', details: { lines: [{ index: 1, productId: chair, ordered: 3, available: 2 }] } },
      details: [{ path: '/lines/1/quantity' }]
    }
  })
  t.same([await stockOf(chair), await stockOf(desk)], [2, 5])
})

t.test('a product in two lines is counted together', async (t) => {
  const chair = await product(3)
  const twice = [
    { productId: chair, quantity: 2 },
    { productId: chair, quantity: 2 }
  ]
  t.match(await order(twice), { status: 409, body: { error: { details: { lines: { length: 2 } } } } })
  t.equal(
    (
      await order([
        { productId: chair, quantity: 2 },
        { productId: chair, quantity: 1 }
      ])
    ).body.lines.length,
    2
  )
  t.equal(await stockOf(chair), 0)
})

t.test('unorderable lines are refused, each with its reason', async (t) => {
  const [dollar, euro, gone] = [
    await product(9),
    await product(9, { currency: 'EUR' }),
    await product(9, { active: false })
  ]
  const nothing = '01890000-0000-7000-8000-000000000000'
  const lines = [dollar, euro, gone, nothing].map((productId) => ({ productId, quantity: 1 }))
  const refused = await order(lines)
  t.equal(refused.status, 422)
  t.match(refused.body.details, [
    { path: '/lines/1/productId', code: 'currency' },
    { path: '/lines/2/productId', code: 'inactive' },
    { path: '/lines/3/productId', code: 'reference' }
  ])
  t.equal((await order([])).status, 422)
  t.equal((await order([{ productId: dollar, quantity: 0 }])).status, 422)
})

t.test('a total that no number can hold is refused', async (t) => {
  const dear = await product(1_000_000, { priceCents: 1_000_000_00 })
  const lines = Array.from({ length: 100 }, () => ({ productId: dear, quantity: 10_000 }))
  t.equal((await order(lines)).status, 201)
  const many = await Promise.all(Array.from({ length: 100 }, () => product(1_000_000, { priceCents: 1_000_000_00 })))
  const refused = await order(many.map((productId) => ({ productId, quantity: 1_000_000 })))
  t.match(refused, { status: 422, body: { details: [{ path: '/lines', code: 'maximum' }] } })
})

t.test('an order goes from pending to paid to shipped, and nowhere else', async (t) => {
  const chair = await product(10)
  const { id } = (await order([{ productId: chair, quantity: 1 }])).body
  t.match(await step(id, 'ship', admin.token), {
    status: 409,
    body: { error: { code: 'INVALID_TRANSITION', details: { status: 'pending' } } }
  })
  t.match(await step(id, 'pay', admin.token), {
    status: 200,
    body: { status: 'paid', lines: [{ quantity: 1 }] },
    headers: { etag: /^"2-/ }
  })
  t.equal((await step(id, 'pay', admin.token)).status, 409)
  t.match(await step(id, 'ship', admin.token), { status: 200, body: { status: 'shipped' } })
  t.equal((await step(id, 'cancel')).status, 409)
  t.equal(await stockOf(chair), 9)
})

t.test('a buyer marks no order as paid or shipped, and cancels only its own', async (t) => {
  const chair = await product(10)
  const { id } = (await order([{ productId: chair, quantity: 1 }])).body
  const makeKey = async (scopes: string[], as: string) =>
    (await send('POST', '/api/v1/api-keys', { as, body: { name: 'k', scopes } })).body.key as string
  const writer = await makeKey(['orders:read', 'orders:write'], admin.token)
  for (const as of [ada.token, bob.token, writer, await makeKey(['orders:write'], ada.token)]) {
    for (const name of ['pay', 'ship']) {
      const refused = await step(id, name, as)
      t.match(refused, { status: 403, body: { error: { details: { scope: 'orders:fulfil' } } } })
      t.match(refused.headers['www-authenticate'], /scope="orders:fulfil"/)
    }
  }
  const asked = { as: ada.token, body: { name: 'k', scopes: ['orders:fulfil'] } }
  t.equal((await send('POST', '/api/v1/api-keys', asked)).status, 403, 'a key of theirs cannot either')
  const warehouse = await makeKey(['orders:fulfil'], admin.token)
  t.match(await step(id, 'pay', warehouse), { status: 200, body: { status: 'paid' } }, 'any order')
  t.equal((await send('GET', `/api/v1/orders/${id}`, { as: warehouse })).status, 403)
  t.equal((await step(id, 'cancel', warehouse)).status, 403)
  t.equal((await step(id, 'cancel', bob.token)).status, 404)
  t.match(await step(id, 'cancel'), { status: 200, body: { status: 'cancelled' } })
})

t.test('the document names the scope of a step', async (t) => {
  const { paths, components } = (await send('GET', '/openapi.json')).body
  const scopesOf = (name: string) => paths[`/api/v1/orders/{id}/${name}`].post.security[0].bearer
  t.same(
    [scopesOf('pay'), scopesOf('ship'), scopesOf('cancel')],
    [['orders:fulfil'], ['orders:fulfil'], ['orders:write']]
  )
  const { scopes } = components.securitySchemes.oauth2.flows.clientCredentials
  t.equal(scopes['orders:fulfil'], 'Fulfil orders')
})

t.test('a cancelled order gives its stock back, once', async (t) => {
  const [chair, desk] = [await product(10), await product(10)]
  const { id } = (
    await order([
      { productId: chair, quantity: 4 },
      { productId: desk, quantity: 1 }
    ])
  ).body
  await step(id, 'pay', admin.token)
  const answers = await Promise.all(Array.from({ length: 5 }, () => step(id, 'cancel')))
  t.same(answers.map(({ status }) => status).sort(), [200, 409, 409, 409, 409])
  t.same([await stockOf(chair), await stockOf(desk)], [10, 10])
})

t.test('a step is only taken from the version that the client read', async (t) => {
  const chair = await product(10)
  const { id } = (await order([{ productId: chair, quantity: 4 }])).body
  const path = `/api/v1/orders/${id}`
  const stepIf = (name: string, headers: Record<string, string>, as = ada.token) =>
    send('POST', `${path}/${name}`, { as, headers })
  for (const [name, tag] of [
    ['if-match', '"2"'],
    ['if-match', 'W/"1"'],
    ['if-none-match', '"1"'],
    ['if-none-match', '*']
  ] as const) {
    const refused = await stepIf('cancel', { [name]: tag })
    t.match(refused, { status: 412, body: { error: { code: 'PRECONDITION_FAILED' } } }, `${name}: ${tag}`)
  }
  t.match(await send('GET', path, { as: ada.token }), { body: { status: 'pending' }, headers: { etag: /^"1-/ } })
  t.equal(await stockOf(chair), 6)
  t.equal((await stepIf('cancel', { 'if-match': '"2"' }, bob.token)).status, 404)
  const answers = await Promise.all(['pay', 'cancel'].map((name) => stepIf(name, { 'if-match': '"1"' }, admin.token)))
  t.same(answers.map(({ status }) => status).sort(), [200, 412], 'of two from one version one is taken')
  t.equal(
    (await stepIf('cancel', { 'if-match': '*', 'if-none-match': '"9"' })).status,
    answers[1]?.status === 200 ? 409 : 200
  )
})

t.test('404 for someone else, as if the order did not exist', async (t) => {
  const { id } = (await order([{ productId: await product(1), quantity: 1 }])).body
  const nothing = '01890000-0000-7000-8000-000000000000'
  for (const [method, path] of [
    ['GET', ''],
    ['POST', '/cancel']
  ]) {
    const theirs = await send(method as string, `/api/v1/orders/${id}${path}`, { as: bob.token })
    const none = await send(method as string, `/api/v1/orders/${nothing}${path}`, { as: bob.token })
    t.equal(theirs.status, 404)
    t.same({ ...theirs.body, instance: '' }, { ...none.body, instance: '' })
  }
  t.same((await send('GET', '/api/v1/orders', { as: bob.token })).body.data, [])
  t.equal((await send('GET', `/api/v1/orders/${id}`, { as: admin.token })).status, 200, 'an administrator sees all')
  t.equal((await send('GET', '/api/v1/orders', {})).status, 401)
})

t.test('a placed order cannot be changed or deleted', async (t) => {
  const { id } = (await order([{ productId: await product(1), quantity: 1 }])).body
  for (const method of ['PUT', 'PATCH', 'DELETE']) {
    t.match(await send(method, `/api/v1/orders/${id}`, { as: ada.token }), {
      status: 405,
      headers: { allow: 'GET, HEAD' }
    })
  }
})

t.test('an ordered product cannot be deleted', async (t) => {
  const chair = await product(1)
  await order([{ productId: chair, quantity: 1 }])
  const refused = await send('DELETE', `/api/v1/products/${chair}`, { as: admin.token })
  t.match(refused, { status: 409, body: { error: { code: 'REFERENCE_CONFLICT' } } })
})

t.test('an order without lines has none', async (t) => {
  const { id } = (await order([{ productId: await product(1), quantity: 1 }])).body
  await app.db.delete(orderLines).where(eq(orderLines.orderId, id))
  t.same((await send('GET', `/api/v1/orders/${id}`, { as: ada.token })).body.lines, [])
})

t.test('a list of orders loads the lines of all with one statement', async (t) => {
  const chair = await product(100)
  for (let index = 0; index < 5; index += 1) await order([{ productId: chair, quantity: 1 }], bob.token)
  const { body } = await send('GET', '/api/v1/orders?status=pending&sort=totalCents', { as: bob.token })
  t.equal(body.data.length, 5)
  t.ok(body.data.every((one: { lines: object[] }) => one.lines.length === 1))
})

t.test('a thousand buyers race for a hundred units: a hundred buy one', async (t) => {
  const chair = await product(100)
  const answers = await Promise.all(Array.from({ length: 1000 }, () => order([{ productId: chair, quantity: 1 }])))
  const statuses = answers.map(({ status }) => status)
  t.equal(statuses.filter((status) => status === 201).length, 100)
  t.equal(statuses.filter((status) => status === 409).length, 900)
  t.equal(await stockOf(chair), 0)
})
