import { randomUUID } from 'node:crypto'
import { sql } from 'drizzle-orm'
import t from 'tap'
import { deleteExpiredKeys } from '#src/http/idempotency/store.ts'
import { idempotencyKeys } from '#src/http/idempotency/table.ts'
import { type Answered, startApp } from '#test/support/app.ts'
import { fixtures } from '#test/support/fixtures.ts'
import { patiently } from '#test/support/patiently.ts'
import { declaredResources, has, newBody } from '#test/support/resources.ts'

const { app, send, someone } = await startApp(t)
const [admin, ada, bob] = [await someone('admin'), await someone(), await someone()]
const all = declaredResources(app)

/** What a repetition must have in common with the first answer. */
const essence = ({ status, text, headers }: Answered) => ({
  status,
  text,
  etag: headers.etag,
  location: headers.location,
  type: headers['content-type']
})
const count = async (path: string): Promise<number> =>
  (await send('GET', `${path}?count=exact`, { as: admin.token })).body.page.total

async function twice(method: string, path: string, body?: unknown) {
  const headers = { 'idempotency-key': randomUUID() }
  const first = await send(method, path, { as: admin.token, body, headers })
  const again = await send(method, path, { as: admin.token, body, headers })
  return { first, again, headers }
}

t.ok(all.length >= 7, 'resources are found')
for (const declared of all.filter((one) => has(one, 'POST', ''))) {
  t.test(`${declared.path}: the same key and body get the first answer again, and nothing happens twice`, async (t) => {
    const { path } = declared
    const body = await newBody(all, declared, send, admin.token)
    const before = await count(path)
    const created = await twice('POST', path, body)
    t.equal(created.first.status, 201)
    t.notOk(created.first.headers['idempotency-replayed'])
    t.equal(created.again.headers['idempotency-replayed'], 'true')
    t.same(essence(created.again), essence(created.first))
    t.equal(await count(path), before + 1)

    const other = await send('POST', path, {
      as: admin.token,
      body: { ...body, ...another(body) },
      headers: created.headers
    })
    t.match(other, { status: 422, body: { error: { code: 'IDEMPOTENCY_KEY_REUSED' } } })
    t.equal(await count(path), before + 1)

    const one = `${path}/${created.first.body.id}`
    for (const method of ['PATCH', 'PUT']) {
      if (!has(declared, method, '/:id')) continue
      const changed = await twice(method, one, method === 'PUT' ? body : another(body))
      t.equal(changed.first.status, 200)
      t.same(essence(changed.again), essence(changed.first), method)
      t.equal((await send('GET', one, { as: admin.token })).headers.etag, changed.first.headers.etag)
    }
    if (!has(declared, 'DELETE', '/:id')) return
    const removed = await twice('DELETE', one)
    t.equal(removed.first.status, 204)
    t.same(essence(removed.again), essence(removed.first), 'not 404, as a second deletion would be')
  })
}

// The first text of a body, changed.
function another(body: Record<string, unknown>): object {
  const [name] = Object.entries(body).find(([, value]) => typeof value === 'string') as [string, string]
  return { [name]: `x${body[name]}` }
}

t.test('a hundred times at once it happens once', async (t) => {
  const path = '/api/v1/items'
  const headers = { 'idempotency-key': 'hundred' }
  const post = () => patiently(() => send('POST', path, { as: ada.token, body: { title: 'Once' }, headers }))
  const answers = await Promise.all(Array.from({ length: 100 }, post))
  const statuses = new Set(answers.map(({ status }) => status))
  t.ok(
    [...statuses].every((status) => [201, 409].includes(status)),
    [...statuses].join()
  )
  t.equal(answers.filter(({ status, headers }) => status === 201 && !headers['idempotency-replayed']).length, 1)
  for (const { headers, body } of answers.filter(({ status }) => status === 409)) {
    t.equal(body.error.code, 'IDEMPOTENCY_IN_PROGRESS')
    t.equal(headers['retry-after'], '1')
  }
  const again = await post()
  t.match(again, { status: 201, headers: { 'idempotency-replayed': 'true' } })
  t.equal((await send('GET', `${path}?count=exact`, { as: ada.token })).body.page.total, 1)
})

t.test("another caller's same key is another key", async (t) => {
  const headers = { 'idempotency-key': 'shared' }
  const [mine, theirs] = [
    await send('POST', '/api/v1/items', { as: ada.token, body: { title: 'Ada' }, headers }),
    await send('POST', '/api/v1/items', { as: bob.token, body: { title: 'Bob' }, headers })
  ]
  t.match(theirs, { status: 201, body: { title: 'Bob', ownerId: bob.id } })
  t.not(mine.body.id, theirs.body.id)
  t.notOk(theirs.headers['idempotency-replayed'])
})

t.test('the same key on another path or with another method is refused', async (t) => {
  const headers = { 'idempotency-key': 'elsewhere' }
  const { body } = await send('POST', '/api/v1/items', { as: ada.token, body: { title: 'x' }, headers })
  for (const [method, url] of [
    ['POST', '/api/v1/items?x'],
    ['PATCH', `/api/v1/items/${body.id}`]
  ] as const) {
    t.match(await send(method, url, { as: ada.token, body: { title: 'x' }, headers }), { status: 422 }, url)
  }
})

t.test('a refusal of the operation is kept, and what it did is not', async (t) => {
  const product = { sku: 'SCARCE', name: 'Scarce', priceCents: 1, stock: 1 }
  const { id } = (await send('POST', '/api/v1/products', { as: admin.token, body: product })).body
  const order = { body: { lines: [{ productId: id, quantity: 2 }] }, headers: { 'idempotency-key': 'scarce' } }
  const first = await send('POST', '/api/v1/orders', { as: ada.token, ...order })
  t.match(first, { status: 409, body: { error: { code: 'OUT_OF_STOCK' } } })
  await send('PATCH', `/api/v1/products/${id}`, { as: admin.token, body: { stock: 9 } })
  const again = await send('POST', '/api/v1/orders', { as: ada.token, ...order })
  t.same(essence(again), essence(first), 'the first answer, although there is stock now')
  t.match(again.headers, { 'idempotency-replayed': 'true', 'content-type': 'application/problem+json' })
  t.equal((await send('GET', `/api/v1/products/${id}`)).body.stock, 9)

  const taken = { body: product, headers: { 'idempotency-key': 'taken' } }
  const conflict = await send('POST', '/api/v1/products', { as: admin.token, ...taken })
  t.match(conflict, { status: 409, body: { details: [{ path: '/sku', code: 'unique' }] } })
  t.same(essence(await send('POST', '/api/v1/products', { as: admin.token, ...taken })), essence(conflict))
})

t.test('the steps of an order take a key, and a repeated step is no wrong step', async (t) => {
  const product = { sku: 'STEPS', name: 'Steps', priceCents: 1, stock: 1 }
  const { id } = (await send('POST', '/api/v1/products', { as: admin.token, body: product })).body
  const lines = [{ productId: id, quantity: 1 }]
  const order = (await send('POST', '/api/v1/orders', { as: admin.token, body: { lines } })).body
  const paid = await twice('POST', `/api/v1/orders/${order.id}/pay`)
  t.match(paid.first, { status: 200, body: { status: 'paid' } })
  t.same(essence(paid.again), essence(paid.first))
  t.equal((await send('POST', `/api/v1/orders/${order.id}/pay`, { as: admin.token })).status, 409)
  const cancelled = await twice('POST', `/api/v1/orders/${order.id}/cancel`)
  t.same(essence(cancelled.again), essence(cancelled.first))
  t.equal((await send('GET', `/api/v1/products/${id}`)).body.stock, 1, 'the stock came back once')
})

t.test('one can change oneself once, too', async (t) => {
  const headers = { 'idempotency-key': 'me' }
  const patch = () => send('PATCH', '/api/v1/users/me', { as: bob.token, body: { name: 'Bob' }, headers })
  const [first, again] = [await patch(), await patch()]
  t.same(essence(again), essence(first))
})

t.test('a refusal before the operation does not use the key up', async (t) => {
  const headers = { 'idempotency-key': 'tried' }
  const post = (as: string | undefined, body: object) => send('POST', '/api/v1/items', { as, body, headers })
  t.equal((await post(ada.token, { title: 7 })).status, 422)
  t.equal((await post(undefined, { title: 'x' })).status, 401)
  t.match(await post(ada.token, { title: 'x' }), { status: 201 })
})

t.test('a failure on our side does not use the key up, and leaves nothing', async (t) => {
  await app.db.execute(
    sql`create function fail() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$`
  )
  await app.db.execute(sql`create trigger fail after insert on items for each row execute function fail()`)
  const headers = { 'idempotency-key': 'failed' }
  const post = () => send('POST', '/api/v1/items', { as: ada.token, body: { title: 'Later' }, headers })
  t.equal((await post()).status, 500)
  await app.db.execute(sql`drop trigger fail on items`)
  const answer = await post()
  t.match(answer, { status: 201, body: { title: 'Later' } })
  t.notOk(answer.headers['idempotency-replayed'])
})

t.test('a key is 1 to 255 visible ASCII characters', async (t) => {
  const post = (key: string) =>
    send('POST', '/api/v1/items', { as: ada.token, body: { title: 'x' }, headers: { 'idempotency-key': key } })
  for (const key of ['', ' ', 'a b', 'é', 'x'.repeat(256)]) {
    const fault = { in: 'headers', path: '/idempotency-key', code: 'pattern' }
    t.match(await post(key), { status: 422, body: { details: [fault] } }, JSON.stringify(key))
  }
  for (const key of ['x', '"quoted"', '~!', 'x'.repeat(255)]) t.equal((await post(key)).status, 201, key)
})

t.test('a key is forgotten after 24 hours, deleted or not', async (t) => {
  const headers = { 'idempotency-key': 'old' }
  const post = () => send('POST', '/api/v1/items', { as: ada.token, body: { title: 'Old' }, headers })
  await app.db.delete(idempotencyKeys)
  const first = await post()
  const age = (hours: number) =>
    app.db.update(idempotencyKeys).set({ createdAt: sql`now() - make_interval(hours => ${hours})` })
  await age(23)
  t.equal(await deleteExpiredKeys(app.db, 10), 0)
  t.equal((await post()).body.id, first.body.id)
  await age(25)
  const anew = await post()
  t.not(anew.body.id, first.body.id)
  t.equal((await post()).body.id, anew.body.id)
  await age(25)
  t.equal(await deleteExpiredKeys(app.db, 10), 1)
  t.equal(await app.db.$count(idempotencyKeys), 0)
})

t.test('on a public route the body is part of the identity of a key', async (t) => {
  const { send } = await startApp(t, {}, fixtures)
  const post = (name: string) =>
    send('POST', '/api/v1/open', { body: { name }, headers: { 'idempotency-key': 'everybody' } })
  const [first, again, other] = [await post('one'), await post('one'), await post('two')]
  t.equal(first.status, 201)
  t.same(essence(again), essence(first))
  t.equal(again.headers['idempotency-replayed'], 'true')
  t.match(other, { status: 201, body: { name: 'two' } }, 'another body is another key')
})

t.test('the stored keys and answers cannot be read from the database', async (t) => {
  const title = 'a canary that sings'
  const headers = { 'idempotency-key': 'canary-key-1' }
  const post = () => send('POST', '/api/v1/items', { as: ada.token, body: { title }, headers })
  const [first, again] = [await post(), await post()]
  t.same(essence(again), essence(first))
  const table = JSON.stringify(await app.db.select().from(idempotencyKeys))
  t.notMatch(table, /canary|sings/)
  t.notMatch(table, new RegExp(Buffer.from(title).toString('base64').slice(0, 20)))
})

t.test('a key of a service is another caller than its user', async (t) => {
  const made = await send('POST', '/api/v1/api-keys', { as: admin.token, body: { name: 'k', scopes: ['items:write'] } })
  const post = (as: string) =>
    send('POST', '/api/v1/items', { as, body: { title: 'Whose' }, headers: { 'idempotency-key': 'whose' } })
  const [mine, its] = [await post(admin.token), await post(made.body.key)]
  t.equal(its.status, 201)
  t.not(its.body.id, mine.body.id)
})

t.test('while the first request is under way a repetition is told to come back', async (t) => {
  // The embedded database runs one transaction at a time: a trigger stands for the other that has the key.
  await app.db.execute(sql`create function taken() returns trigger language plpgsql as $$ begin return null; end $$`)
  await app.db.execute(
    sql`create trigger taken before insert on idempotency_keys for each row execute function taken()`
  )
  const sent = { as: ada.token, body: { title: 'x' }, headers: { 'idempotency-key': 'under-way' } }
  const refused = await send('POST', '/api/v1/items', sent)
  t.match(refused, {
    status: 409,
    headers: { 'retry-after': '1' },
    body: { error: { code: 'IDEMPOTENCY_IN_PROGRESS' } }
  })
  await app.db.execute(sql`drop trigger taken on idempotency_keys`)
  t.equal((await send('POST', '/api/v1/items', sent)).status, 201)
})
