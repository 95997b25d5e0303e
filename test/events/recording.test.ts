import { sql } from 'drizzle-orm'
import t from 'tap'
import { users } from '#src/identity/tables/users.ts'
import { type Answered, PASSWORD, startApp } from '#test/support/app.ts'

const { app, send, someone } = await startApp(t)
const [admin, ada, bob] = [await someone('admin'), await someone(), await someone()]
let count = 0

const productBody = (more: object = {}) => {
  count += 1
  return { sku: `P${count}`, name: 'Thing', priceCents: 250, stock: 10, ...more }
}
const makeProduct = async (more: object = {}) =>
  (await send('POST', '/api/v1/products', { as: admin.token, body: productBody(more) })).body

interface Told {
  id: string
  type: string
  subject: string
  timestamp: string
  // biome-ignore lint/suspicious/noExplicitAny: tests look into data of every resource
  data: any
  actor: { userId?: string; keyId?: string }
  requestId: string | null
}

/** The events after the last call, as an administrator reads them. */
async function news(): Promise<Told[]> {
  const found = await app.events.read(allOf(admin.id), {}, { after: seen, limit: 1000 })
  seen = found.at(-1)?.position ?? seen
  return found.map(({ text }) => JSON.parse(text))
}
let seen = 0
const allOf = (userId: string) => ({ userId, role: 'admin', scopes: new Set(['*']) })
const told = (events: Told[]) => events.map(({ type, subject }) => `${type} ${subject}`)
const requestOf = ({ headers }: Answered) => headers['x-request-id'] as string

t.test('each change of a row is one event with the row, its actor and its request', async (t) => {
  const path = '/api/v1/products'
  const made = await send('POST', path, { as: admin.token, body: productBody({ tags: ['a,b', '"'] }) })
  const one = `${path}/${made.body.id}`
  const patched = await send('PATCH', one, { as: admin.token, body: { priceCents: 6 } })
  const alone = await send('PATCH', one, {
    as: admin.token,
    body: { name: 'Alone' },
    headers: { 'if-none-match': '"77"' }
  })
  const { id: _id, createdAt: _made, updatedAt: _at, ...whole } = alone.body
  const put = await send('PUT', one, { as: admin.token, body: { ...whole, description: 'All of it' } })
  const gone = await send('DELETE', one, { as: admin.token })
  const events = await news()
  const subject = `products/${made.body.id}`
  const expected = [
    ['product.created', made, made.body],
    ['product.updated', patched, patched.body],
    ['product.updated', alone, alone.body],
    ['product.updated', put, put.body],
    // A deleted row is told as it was last.
    ['product.deleted', gone, put.body]
  ] as const
  t.equal(events.length, expected.length)
  for (const [index, [type, answered, data]] of expected.entries()) {
    const { id, timestamp, ...event } = events[index] as Told
    t.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/, 'a UUIDv7')
    t.ok(Math.abs(Date.now() - Number.parseInt(id.slice(0, 13).replace('-', ''), 16)) < 60_000)
    t.match(timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    t.same(event, { type, subject, data, actor: { userId: admin.id }, requestId: requestOf(answered) })
  }
})

t.test('requests that share a statement are each the cause of their own event', async (t) => {
  const people = [ada, bob]
  const title = (index: number) => ({ title: `Item ${index}` })
  const all = Array.from({ length: 40 }, (_, index) => index)
  const by = (index: number) => people[index % 2] as typeof ada
  const made = await Promise.all(
    all.map((index) => send('POST', '/api/v1/items', { as: by(index).token, body: title(index) }))
  )
  const one = (index: number) => `/api/v1/items/${made[index]?.body.id}`
  const changed = await Promise.all(
    all.map((index) => send('PATCH', one(index), { as: by(index).token, body: title(index + 100) }))
  )
  const gone = await Promise.all(all.map((index) => send('DELETE', one(index), { as: by(index).token })))
  const events = await news()
  t.equal(events.length, 120)
  for (const [type, answers] of [
    ['item.created', made],
    ['item.updated', changed],
    ['item.deleted', gone]
  ] as const) {
    for (const [index, answer] of answers.entries()) {
      const subject = `items/${made[index]?.body.id}`
      const found = events.filter((event) => event.type === type && event.subject === subject)
      t.match(found, [{ actor: { userId: by(index).id }, requestId: requestOf(answer) }])
      t.equal(found.length, 1)
      t.equal(found[0]?.data.ownerId, by(index).id)
    }
  }
})

t.test('many items at once are one event for each row that changed', async (t) => {
  const bulk = (method: string, body: object, query = '') =>
    send(method, `/api/v1/products/bulk${query}`, { as: admin.token, body })
  const bodies = [productBody(), productBody(), productBody()]
  const made = await bulk('POST', { items: bodies })
  const ids: string[] = made.body.results.map(({ id }: { id: string }) => id)
  const subjects = (type: string, some: string[]) => some.map((id) => `${type} products/${id}`).sort()
  const first = await news()
  t.same(told(first).sort(), subjects('product.created', ids))
  for (const event of first) t.match(event, { actor: { userId: admin.id }, requestId: requestOf(made) })

  await bulk('POST', { items: [...bodies, productBody()], onConflict: 'skip' })
  t.equal((await news()).length, 1, 'what is skipped has none')
  await bulk('POST', { items: [bodies[0], { ...bodies[1], sku: '' }] }, '?mode=partial')
  t.same(await news(), [], 'what is refused has none')
  const upserted = await bulk('POST', {
    items: [{ sku: bodies[0]?.sku, name: 'New' }, { sku: bodies[1]?.sku }, productBody()],
    onConflict: 'update'
  })
  t.match(upserted.body, { created: 1, updated: 2 })
  t.same(
    told(await news())
      .map((one) => one.split(' ')[0])
      .sort(),
    ['product.created', 'product.updated']
  )

  const patched = await bulk('PATCH', { items: [{ id: ids[0], name: 'A' }, { id: ids[1] }, { id: ids[2], name: 'C' }] })
  const updates = await news()
  t.same(told(updates).sort(), subjects('product.updated', [ids[0], ids[2]] as string[]), 'an empty patch has none')
  for (const event of updates) t.equal(event.requestId, requestOf(patched))
  await bulk('DELETE', { ids })
  const gone = await news()
  t.same(told(gone).sort(), subjects('product.deleted', ids))
  t.same(gone.map(({ data }) => data.name).sort(), ['A', 'C', 'Thing'])

  const lines = [1, 2, 3].map(() => JSON.stringify(productBody())).join('\n')
  const imported = await send('POST', '/api/v1/products/import', {
    as: admin.token,
    body: lines,
    headers: { 'content-type': 'application/x-ndjson' }
  })
  t.match(imported.body, { created: 3 })
  const events = await news()
  t.equal(events.length, 3)
  for (const event of events) t.match(event, { type: 'product.created', requestId: requestOf(imported) })
})

t.test('a thousand changed rows are a thousand events', async (t) => {
  const items = Array.from({ length: 1000 }, () => productBody())
  const made = await send('POST', '/api/v1/products/bulk', { as: admin.token, body: { items } })
  const ids: string[] = made.body.results.map(({ id }: { id: string }) => id)
  const changes = { items: ids.map((id) => ({ id, stock: 1 })) }
  await send('PATCH', '/api/v1/products/bulk', { as: admin.token, body: changes })
  const types = [...(await news()), ...(await news())].map(({ type }) => type)
  t.equal(types.filter((type) => type === 'product.created').length, 1000)
  t.equal(types.filter((type) => type === 'product.updated').length, 1000)
  await send('DELETE', '/api/v1/products/bulk', { as: admin.token, body: { ids } })
  await news()
})

t.test('an order, its steps and the stock that it moves are events', async (t) => {
  const chair = await makeProduct()
  await news()
  const body = { lines: [{ productId: chair.id, quantity: 2 }] }
  const placed = await send('POST', '/api/v1/orders', { as: ada.token, body })
  const { id } = placed.body
  const first = await news()
  t.same(told(first).sort(), [`order.created orders/${id}`, `product.updated products/${chair.id}`])
  for (const event of first) t.match(event, { actor: { userId: ada.id }, requestId: requestOf(placed) })
  t.same(first.find(({ type }) => type === 'order.created')?.data, placed.body, 'with its lines')
  t.equal(first.find(({ type }) => type === 'product.updated')?.data.stock, 8)

  const step = (name: string, headers = {}) =>
    send('POST', `/api/v1/orders/${id}/${name}`, { as: admin.token, headers })
  t.equal((await step('ship')).status, 409)
  t.same(await news(), [], 'a refused step has none')
  const etag = (await send('GET', `/api/v1/orders/${id}`, { as: ada.token })).headers.etag as string
  const paid = await step('pay', { 'if-match': etag })
  t.equal(paid.status, 200)
  const [event, ...others] = await news()
  t.match(event, { type: 'order.paid', subject: `orders/${id}`, actor: { userId: admin.id }, data: { status: 'paid' } })
  t.same(event?.data, paid.body)
  t.same(others, [])
  await step('cancel')
  t.same(told(await news()).sort(), [`order.cancelled orders/${id}`, `product.updated products/${chair.id}`])
})

t.test('a change that is not kept has no event', async (t) => {
  const path = '/api/v1/products'
  const dry = { prefer: 'tx=rollback' }
  const kept = await makeProduct()
  await news()
  const write = (method: string, url: string, body: unknown, headers: Record<string, string>) =>
    send(method, url, { as: admin.token, body, headers })
  t.equal((await write('POST', path, productBody(), dry)).status, 201)
  t.equal((await write('PATCH', `${path}/${kept.id}`, { stock: 3 }, dry)).status, 200)
  t.equal((await write('DELETE', `${path}/${kept.id}`, undefined, dry)).status, 204)
  t.equal((await write('POST', `${path}/bulk`, { items: [productBody()] }, dry)).status, 200)
  const ndjson = { 'content-type': 'application/x-ndjson' }
  t.equal((await write('POST', `${path}/import`, JSON.stringify(productBody()), { ...dry, ...ndjson })).status, 200)
  t.same(await news(), [], 'a dry run')

  const body = productBody()
  const once = { 'idempotency-key': 'events-once' }
  const made = await write('POST', path, body, once)
  t.equal((await write('POST', path, body, once)).headers['idempotency-replayed'], 'true')
  t.match(await news(), [{ type: 'product.created', requestId: requestOf(made), actor: { userId: admin.id } }])
  t.same(await news(), [])
  t.equal((await write('POST', path, body, {})).status, 409)
  t.equal((await write('PATCH', `${path}/${made.body.id}`, {}, {})).status, 200)
  t.same(await news(), [], 'a refused change, and an empty one')
})

t.test('the key is named beside its user, and for plain SQL there is no actor', async (t) => {
  const key = await send('POST', '/api/v1/api-keys', { as: ada.token, body: { name: 'K', scopes: ['items:write'] } })
  await send('POST', '/api/v1/items', { body: { title: 'By key' }, headers: { 'x-api-key': key.body.key } })
  await app.db.execute(sql`update items set title = 'By SQL' where title = 'By key'`)
  await app.db.execute(sql`update items set title = title where title = 'By SQL'`)
  const [made, changed, ...others] = await news()
  t.match(made, { actor: { userId: ada.id, keyId: key.body.id }, data: { title: 'By key' } })
  t.match(changed, { type: 'item.updated', data: { title: 'By SQL' }, requestId: null })
  t.same(changed?.actor, {})
  t.same(others, [])
})

t.test('a change through another version of the API is the same event', async (t) => {
  const body = { sku: 'V2', name: 'Two', price: { amount: 5, currency: 'EUR' } }
  const made = await send('POST', '/api/v2/products', { as: admin.token, body })
  t.equal(made.status, 201)
  const [event, ...others] = await news()
  t.match(event, { type: 'product.created', subject: `products/${made.body.id}`, data: { priceCents: 5 } })
  t.same(others, [])
})

t.test('the rows of a user that leaves are deleted or anonymized with events', async (t) => {
  const eve = await someone()
  const chair = await makeProduct()
  const item = await send('POST', '/api/v1/items', { as: eve.token, body: { title: 'Mine' } })
  const order = await send('POST', '/api/v1/orders', {
    as: eve.token,
    body: { lines: [{ productId: chair.id, quantity: 1 }] }
  })
  await news()
  const left = await send('DELETE', '/api/v1/users/me', { as: eve.token, body: { currentPassword: PASSWORD } })
  t.equal(left.status, 204)
  const events = await news()
  t.same(told(events).sort(), [`item.deleted items/${item.body.id}`, `order.updated orders/${order.body.id}`])
  for (const event of events) t.match(event, { actor: { userId: eve.id }, requestId: requestOf(left) })
  // The cascade of a foreign key, without any route.
  const bea = await someone()
  await send('POST', '/api/v1/items', { as: bea.token, body: { title: 'Hers' } })
  await app.db.execute(sql`delete from sessions where user_id = ${bea.id}`)
  await app.db.delete(users).where(sql`${users.id} = ${bea.id}`)
  t.match(await news(), [{ type: 'item.created' }, { type: 'item.deleted', data: { title: 'Hers' } }])
})
