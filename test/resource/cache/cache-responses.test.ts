import { request as httpRequest } from 'node:http'
import type { AddressInfo } from 'node:net'
import { eq, sql } from 'drizzle-orm'
import postgres from 'postgres'
import t from 'tap'
import { products } from '#routes/api/v1/products/table.ts'
import { buildApp } from '#src/app.ts'
import { type Answered, makeSend, startApp, testConfig } from '#test/support/app.ts'
import { createDatabase, isPostgres } from '#test/support/database.ts'
import { fixtures } from '#test/support/fixtures.ts'
import { noteStatements } from '#test/support/statements.ts'

const started = await startApp(t, {}, fixtures)
const { app, send, someone, database } = started
const [admin, ada, bob] = [await someone('admin'), await someone(), await someone()]
const path = '/api/v1/shelves'
let count = 0

async function makeProduct(more: object = {}): Promise<string> {
  count += 1
  const body = { sku: `sku-${count}`, name: 'Oak', priceCents: 100, stock: 50, ...more }
  return (await send('POST', path, { as: admin.token, body })).body.id
}

// On a busy machine a notification of what was written before comes late, and empties the memory once more.
async function fromMemory(ask: () => Promise<Answered>): Promise<Answered> {
  for (;;) {
    const answer = await ask()
    if (answer.headers.age !== undefined) return answer
    await new Promise(setImmediate)
  }
}

t.test('a cached answer is given again without a statement, with headers of its own request', async (t) => {
  const one = `${path}/${await makeProduct()}`
  await makeProduct()
  await send('GET', `${path}?limit=2`, { as: ada.token })
  const statements = noteStatements(app)
  for (const [url, again] of [
    [one, one],
    [`${one}?include=category&fields=id,name`, `${one}?fields=id,name&include=category`],
    [path, `${path}?limit=50`],
    [`${path}?limit=1&sort=-sku&fields=sku`, `${path}?fields=sku&sort=-sku&limit=1`],
    [`${path}?stock[gte]=1&count=exact`, `${path}?count=exact&stock%5Bgte%5D=1`],
    [`${path}/aggregate?sum=stock`, `${path}/aggregate?sum=stock`]
  ] as const) {
    const first = await send('GET', url)
    const hits: Answered[] = []
    const askAgain = async () => {
      hits.splice(0)
      hits.push(await send('GET', again), await send('GET', url, { as: ada.token }), await send('HEAD', url))
    }
    while ((await statements.of(askAgain)).length > 0) await new Promise(setImmediate)
    const [second, theirs, head] = hits as [Answered, Answered, Answered]
    t.equal(first.headers.age, undefined)
    for (const hit of [second, theirs]) {
      t.match(hit, { status: 200, text: first.text, headers: { age: /^\d+$/ } }, url)
      t.notMatch(hit.headers, { 'x-request-id': first.headers['x-request-id'] })
      for (const name of ['etag', 'content-type', 'vary'])
        t.equal(hit.headers[name], first.headers[name], `${url} ${name}`)
      for (const name of ['server-timing', 'ratelimit', 'ratelimit-policy']) t.ok(hit.headers[name], `${url} ${name}`)
    }
    t.equal(theirs.headers.link, first.headers.link)
    t.equal(second.headers['cache-control'], 'public, max-age=60, must-revalidate')
    t.equal(theirs.headers['cache-control'], 'private, no-cache')
    t.match(head, {
      status: 200,
      text: '',
      headers: { 'content-length': first.headers['content-length'], age: /^\d+$/ }
    })
  }
})

t.test('304 from memory as from the database, for what includes something and lists too', async (t) => {
  const one = `${path}/${await makeProduct()}`
  const ask = (url: string, tag: string) => send('GET', url, { headers: { 'if-none-match': tag } })
  t.match(await ask(one, '"1"'), { status: 304, headers: { etag: '"1"', age: undefined } })
  await fromMemory(() => send('GET', one))
  const same = await fromMemory(() => ask(one, 'W/"1", "7"'))
  t.match(same, { status: 304, text: '', headers: { etag: '"1"', age: /^\d+$/, vary: /Accept/ } })
  t.match(await fromMemory(() => ask(one, '"2"')), { status: 200, headers: { etag: '"1"' } })
  for (const url of [`${one}?include=category`, path]) {
    const { etag } = (await fromMemory(() => send('GET', url))).headers
    t.match(await fromMemory(() => ask(url, etag as string)), { status: 304, text: '', headers: { etag } }, url)
    t.equal((await fromMemory(() => ask(url, '"1"'))).status, 200, `${url} has a tag of its own`)
  }
})

t.test('answers to missing rows and invalid requests are not cached', async (t) => {
  const id = '01890000-0000-7000-8000-000000000000'
  for (const [url, status] of [
    [`${path}/${id}`, 404],
    [`${path}?cursor=x`, 400]
  ] as const) {
    for (const _ of [1, 2]) t.match(await send('GET', url), { status, headers: { age: undefined } })
  }
  await send('GET', `${path}/export`)
  t.match((await send('GET', `${path}/export`)).headers, { age: undefined }, 'an export neither')
})

t.test('a path that came in another form keeps its links to itself', async (t) => {
  await Promise.all([makeProduct(), makeProduct()])
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const linkOf = (target: string) =>
    new Promise<string>((resolve, reject) => {
      const request = httpRequest({ host: '127.0.0.1', port, path: target }, (response) => {
        response.resume()
        resolve(`${response.statusCode} ${response.headers.link}`)
      })
      request.on('error', reject).end()
    })
  t.match(await linkOf(`http://elsewhere.example${path}?limit=1`), /^200 <http:\/\/elsewhere/)
  t.match(await linkOf(`${path}?limit=1`), /^200 <\/api\/v1\/shelves\?/)
})

t.test('no caller gets the answer of another: an answer that depends on the caller is not cached', async (t) => {
  const id = await makeProduct()
  for (const { token } of [ada, bob]) {
    await send('POST', '/api/v1/orders', { as: token, body: { lines: [{ productId: id, quantity: 1 }] } })
  }
  const callers = [admin.token, ada.token, undefined, bob.token, ada.token, admin.token, undefined]
  for (const url of [`${path}/${id}?include=orders`, `${path}?include=category,orders&sort=-sku&limit=1`]) {
    const buyers = []
    for (const as of callers) {
      const { status, body, headers } = await send('GET', url, { as })
      t.equal(headers.age, undefined)
      const [row] = body.data ?? [body]
      buyers.push(status === 200 ? row.orders.map((order: { userId: string }) => order.userId).sort() : status)
    }
    const both = [ada.id, bob.id].sort()
    t.same(buyers, [both, [ada.id], 401, [bob.id], [ada.id], both, 401])
  }
  const denied = await send('GET', `${path}/${id}`, { as: 'not a token' })
  t.match(denied, { status: 401, headers: { age: undefined } }, 'a wrong credential gets nothing, kept or not')
})

/** Every way to write a product, or what is shown with it. */
const writes: [string, (id: string) => Promise<unknown>, string?][] = [
  ['PATCH', (id) => send('PATCH', `${path}/${id}`, { as: admin.token, body: { stock: 49 } })],
  [
    'PUT',
    (id) => send('PUT', `${path}/${id}`, { as: admin.token, body: { sku: `put-${id}`, name: 'Ash', priceCents: 1 } })
  ],
  ['DELETE', (id) => send('DELETE', `${path}/${id}`, { as: admin.token })],
  [
    'another resource of the table',
    (id) => send('PATCH', `/api/v1/wares/${id}`, { as: admin.token, body: { stock: 7 } })
  ],
  [
    'with an Idempotency-Key',
    (id) => {
      const headers = { 'idempotency-key': id }
      return send('PATCH', `${path}/${id}`, { as: admin.token, body: { stock: 48 }, headers })
    }
  ],
  ['bulk', (id) => send('PATCH', `${path}/bulk?mode=atomic`, { as: admin.token, body: { items: [{ id, stock: 3 }] } })],
  [
    'import',
    async (id) => {
      const { body } = await send('GET', `/api/v1/wares/${id}`)
      const row = { sku: body.sku, name: 'Imported', priceCents: 5 }
      return send('POST', `${path}/import?onConflict=update`, {
        as: admin.token,
        body: JSON.stringify(row),
        headers: { 'content-type': 'application/x-ndjson' }
      })
    }
  ],
  [
    'an order',
    (id) => send('POST', '/api/v1/orders', { as: ada.token, body: { lines: [{ productId: id, quantity: 2 }] } })
  ],
  ['a statement', (id) => app.db.update(products).set({ stock: 1 }).where(eq(products.id, id))],
  [
    'an order, in what is included',
    (id) => send('POST', '/api/v1/orders', { as: ada.token, body: { lines: [{ productId: id, quantity: 1 }] } }),
    '?include=lines'
  ],
  [
    'an include that is written',
    () => app.db.execute(sql`update categories set name = name || '!'`),
    '?include=category'
  ]
]

t.test('a writer reads its change at once, also when no notification is sent', async (t) => {
  await app.db.execute(sql`drop trigger tenon_table_changed on products`)
  await app.db.execute(sql`alter table categories disable trigger tenon_table_changed`)
  const category = await send('POST', '/api/v1/careful', { as: admin.token, body: { name: 'Tables' } })
  for (const [name, write, query = ''] of writes) {
    const id = await makeProduct({ categoryId: category.body.id })
    const urls = [
      `${path}/${id}${query}`,
      `${path}${query}`,
      ...(query ? [] : [`${path}/aggregate?sum=stock,priceCents`])
    ]
    const before = await Promise.all(urls.map((url) => send('GET', url)))
    for (const url of urls) await fromMemory(() => send('GET', url))
    await write(id)
    for (const [index, url] of urls.entries()) {
      const after = await send('GET', url)
      t.match(after.headers, { age: undefined })
      t.not(after.text, before[index]?.text, `${name}: ${url}`)
    }
  }
  await app.db.execute(sql`alter table categories enable trigger tenon_table_changed`)
})

t.test('a start makes the trigger where it may, and else stops with its name', async (t) => {
  const empty = await createDatabase(t)
  const start = (MIGRATE_ON_START: string) => buildApp(testConfig(empty, { MIGRATE_ON_START }), fixtures)
  await t.rejects(start('false'), {
    name: 'DeclarationError',
    message: /^(careful|shelves): cache needs the trigger tenon_table_changed on '\w+'/
  })
  for (const migrates of ['true', 'false']) await (await start(migrates)).close()
})

const skip = isPostgres ? false : 'two instances need a PostgreSQL'

t.test('other instances', { skip }, async (t) => {
  const config = testConfig(database, { MIGRATE_ON_START: 'true', RATE_LIMIT_ENABLED: 'false' })
  const other = await buildApp(config, fixtures)
  t.teardown(() => other.close())
  const there = makeSend(t, other)
  const outside = postgres(database.DATABASE_URL as string, { max: 1, onnotice: () => {} })
  t.teardown(() => outside.end())

  async function untilShown(url: string, before: string): Promise<number> {
    const at = performance.now()
    // What comes from memory leaves no turn to the connection that listens.
    while ((await there('GET', url)).text === before) await new Promise(setImmediate)
    return performance.now() - at
  }

  t.test('show a write within a second, by whatever route or program', async (t) => {
    const category = await send('POST', '/api/v1/careful', { as: admin.token, body: { name: 'Chairs' } })
    const others: typeof writes = [
      ['another program', (id) => outside`update products set stock = 4 where id = ${id}`],
      ['TRUNCATE', () => outside`truncate order_lines`, '?include=lines']
    ]
    for (const [name, write, query = ''] of [...writes, ...others]) {
      const id = await makeProduct({ categoryId: category.body.id })
      const order = { lines: [{ productId: id, quantity: 1 }] }
      if (query === '?include=lines') await send('POST', '/api/v1/orders', { as: bob.token, body: order })
      const url = `${path}/${id}${query}`
      const before = await fromMemory(() => there('GET', url))
      await write(id)
      t.comment(`${name}: ${Math.round(await untilShown(url, before.text))} ms`)
    }
  })

  t.test('also while LISTEN is cut', async (t) => {
    let isCut = true
    const cutting = (async () => {
      while (isCut)
        await outside`
          select pg_terminate_backend(pid) from pg_stat_activity
          where application_name = 'tenon listen' and datname = current_database()`
    })()
    for (let round = 0; round < 3; round += 1) {
      const id = await makeProduct()
      const url = `${path}/${id}`
      const before = await there('GET', url)
      await send('PATCH', url, { as: admin.token, body: { stock: 9 } })
      t.comment(`${Math.round(await untilShown(url, before.text))} ms`)
    }
    isCut = false
    await cutting
  })
})
