import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { sql } from 'drizzle-orm'
import t from 'tap'
import { startApp } from '#test/support/app.ts'

const { app, send, someone } = await startApp(t, { DATABASE_POOL_MAX: '1' })
const [admin, ada, bob] = [await someone('admin'), await someone(), await someone()]
await app.listen({ host: '127.0.0.1', port: 0 })
const { port } = app.server.address() as AddressInfo

const NDJSON = 'application/x-ndjson'
const products = '/api/v1/products'
const exported = async (query = '', accept = NDJSON, path = products, as?: string) =>
  (await send('GET', `${path}/export${query}`, { as, headers: { accept } })).text
const load = (body: string | Buffer, type = NDJSON, query = '', path = products, as = admin.token) =>
  send('POST', `${path}/import${query}`, { as, body, headers: { 'content-type': type } })
const rowsOf = (text: string) =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
const lines = (rows: object[]) => rows.map((row) => `${JSON.stringify(row)}\n`).join('')
const clear = () => app.db.execute(sql`delete from products`)

const category = (await send('POST', '/api/v1/categories', { as: admin.token, body: { name: 'Möbel' } })).body.id
const rows = [
  {
    sku: 'A',
    name: 'Chère "étagère", 木',
    description: null,
    priceCents: 1,
    tags: ['a,b', 'c"d', '{}', '\\'],
    stock: 3
  },
  { sku: 'B', name: 'Line\nbreak\r\nand tab\t', description: '', priceCents: 0, categoryId: category, active: false },
  { sku: 'C', name: '=SUM(A1:A9)', description: '  spaces  ', priceCents: 100_000_000, currency: 'EUR' },
  { sku: 'D', name: 'null', description: '""', priceCents: 5, tags: [] }
]
const isIn = ({ id: _id, createdAt: _created, updatedAt: _updated, ...rest }: Record<string, unknown>) => rest

t.test('an export as NDJSON or CSV can be imported again without a change', async (t) => {
  t.match(await load(lines(rows)), { status: 200, body: { created: 4, updated: 0, skipped: 0, failed: 0, errors: [] } })
  const before = rowsOf(await exported('?sort=sku'))
  t.match(before, rows)
  for (const [type, path] of [
    [NDJSON, products],
    ['text/csv', products],
    ['text/csv', '/api/v2/products'],
    [NDJSON, '/api/v2/products']
  ] as const) {
    const text = await exported('?sort=sku', type, path)
    await clear()
    t.match((await load(text, type, '', path)).body, { created: 4, failed: 0 }, `${type} ${path}`)
    t.same(rowsOf(await exported('?sort=sku')).map(isIn), before.map(isIn), `${type} ${path}`)
  }
})

t.test('CSV has a header, tells null from an empty text, and writes lists as JSON and objects by dots', async (t) => {
  const text = await exported('?sort=sku&sku[in]=A,B&fields=sku,description,tags,priceCents', 'text/csv')
  t.equal(text, `sku,description,tags,priceCents\nA,,"[""a,b"",""c\\""d"",""{}"",""\\\\""]",1\nB,"",[],0\n`)
  t.match(
    await exported('?fields=sku,price&sku=A', 'text/csv', '/api/v2/products'),
    /^sku,price\.amount,price\.currency\nA,1,USD\n$/
  )
})

t.test('exports what matches, in the order asked for, with the fields asked for', async (t) => {
  const skus = async (query: string) =>
    rowsOf(await exported(query))
      .map(({ sku }) => sku)
      .join('')
  t.equal(await skus('?sort=-sku'), 'DCBA')
  t.equal(await skus('?sort=priceCents&priceCents[lte]=5'), 'BAD')
  t.equal(await skus('?q=sum'), 'C')
  t.equal(await skus('?sort=sku&or=(sku=A,active=false)'), 'AB')
  t.same(rowsOf(await exported('?fields=stock,sku&sku=A')), [{ sku: 'A', stock: 3 }])
  t.equal(await exported('?sku=nothing'), '')
  t.equal(await exported('?sku=nothing&fields=sku', 'text/csv'), 'sku\n')
  t.match(await send('GET', `${products}/export?colour=red`), { status: 422 })
  t.match(
    await send('GET', `${products}/export?name[like]=%25%5C`),
    { status: 422 },
    'what the database refuses has its status'
  )
})

t.test('answers with the type that is accepted most, and 406 where there is none', async (t) => {
  for (const [accept, type] of [
    ['*/*', NDJSON],
    ['text/*', 'text/csv'],
    ['text/csv', 'text/csv'],
    ['text/csv;q=0.5, application/x-ndjson;q=0.4', 'text/csv'],
    ['application/*, text/csv;q=0.9', NDJSON],
    ['*/*;q=0.1, application/x-ndjson;q=0', 'text/csv']
  ] as const) {
    const { headers } = await send('GET', `${products}/export`, { headers: { accept } })
    t.match(headers, { 'content-type': new RegExp(`^${type}`), vary: /accept/i }, accept)
  }
  const { status, body } = await send('GET', `${products}/export`, { headers: { accept: 'application/json' } })
  t.match({ status, body }, { status: 406, body: { error: { code: 'NOT_ACCEPTABLE' } } })
})

t.test("exports are the caller's own rows", async (t) => {
  await load(lines([{ title: 'Mine', description: null }]), NDJSON, '', '/api/v1/items', ada.token)
  t.match(rowsOf(await exported('', NDJSON, '/api/v1/items', ada.token)), [{ title: 'Mine', ownerId: ada.id }])
  t.equal(await exported('', NDJSON, '/api/v1/items', bob.token), '')
  t.equal((await send('GET', '/api/v1/items/export')).status, 401)
})

t.test('each refused line is reported with its number and faults; the others are written', async (t) => {
  await clear()
  const text = [
    '{"sku":"1","name":"One","priceCents":1}',
    '',
    '{"sku":"2","name":"Two","priceCents":-1,"stock":"x"}',
    '{"sku":"3",',
    '{"sku":"1","name":"Again","priceCents":1}',
    '{"sku":"4","name":"Four","priceCents":4,"colour":"red"}',
    `{"sku":"5","name":"${'x'.repeat(1_048_576)}","priceCents":4}`,
    '[]\r',
    '  \t\r',
    `{"sku":"6","name":"Six","priceCents":6,"categoryId":"${category.replace(/^./, 'f')}"}`,
    '{"sku":"7","name":"Seven","priceCents":7}'
  ].join('\n')
  const { status, body } = await load(text)
  t.equal(status, 200)
  t.match(body, { created: 2, updated: 0, skipped: 0, failed: 7, errorsOmitted: 0 })
  t.same(
    body.errors.map((one: { line: number; code: string; details: { path: string }[] }) => [
      one.line,
      one.code,
      one.details.map(({ path }) => path).join()
    ]),
    [
      [3, 'VALIDATION_FAILED', '/priceCents,/stock'],
      [4, 'INVALID_JSON', ''],
      [5, 'CONFLICT', '/sku'],
      [6, 'VALIDATION_FAILED', '/colour'],
      [7, 'PAYLOAD_TOO_LARGE', ''],
      [8, 'VALIDATION_FAILED', ''],
      [10, 'REFERENCE_CONFLICT', '/categoryId']
    ]
  )
  t.same(
    rowsOf(await exported('?sort=sku')).map(({ sku }) => sku),
    ['1', '7']
  )
})

t.test('reports the first thousand refused lines, and how many more there are', async (t) => {
  const { body } = await load('5\n'.repeat(1500))
  t.match(body, { created: 0, failed: 1500, errorsOmitted: 500 })
  t.equal(body.errors.length, 1000)
  t.equal(body.errors[999].line, 1000)
})

t.test('a key that is taken is skipped or updated where that is asked for, line after line', async (t) => {
  await clear()
  const one = (name: string) => ({ sku: '1', name, priceCents: 1 })
  t.match((await load(lines([one('a'), one('b')]), NDJSON, '?onConflict=skip')).body, { created: 1, skipped: 1 })
  const answer = await load(lines([one('c'), { ...one('x'), sku: '2' }, one('d')]), NDJSON, '?onConflict=update')
  t.match(answer.body, { created: 1, updated: 2, failed: 0 })
  t.match(rowsOf(await exported('?sku=1')), [{ name: 'd' }], 'the last line counts')
})

t.test('CSV is typed by the schema: cells that are no value of their column are refused', async (t) => {
  await clear()
  const csv = [
    'sku,name,priceCents,stock,active,tags,categoryId,description,createdAt',
    'A,One,5,,,,,,2020-01-01T00:00:00.000Z',
    'B,Two,0x10,1,yes,"[1]",,,',
    'C,Three,1,1.5,true,oak,,,',
    'D,"",1,1,true,[],,,',
    'E,,1,1,true,[],,,',
    'F,Six,1',
    '"G","Seven","1",2,false,"[""x""]",,"",'
  ].join('\r\n')
  const { body } = await load(`\ufeff${csv}`, 'text/csv; charset=utf-8')
  t.match(body, { created: 2, failed: 5 })
  t.same(
    body.errors.map((one: { line: number; details: { path: string; code: string }[] }) => [
      one.line,
      one.details.map(({ path, code }) => `${path} ${code}`).join()
    ]),
    [
      [3, '/priceCents type,/tags/0 type,/active type'],
      [4, '/tags json'],
      [5, '/name minLength'],
      [6, '/name required'],
      [7, ' cells']
    ]
  )
  const [a, g] = rowsOf(await exported('?sort=sku'))
  t.match(a, { sku: 'A', stock: 0, active: true, tags: [], description: null })
  t.not(a.createdAt, '2020-01-01T00:00:00.000Z', 'what only the server writes is passed over')
  t.match(g, { sku: 'G', stock: 2, active: false, tags: ['x'], description: '' })
})

t.test('a CSV without the right header, and a header that is no CSV, is refused whole', async (t) => {
  await clear()
  const row = 'A,One,5\n'
  for (const [csv, status, code] of [
    [`sku,colour,priceCents\n${row}`, 422, 'unknown'],
    [`sku,name,sku\n${row}`, 422, 'repeated'],
    ['', 422, 'required'],
    [`sku,na"me,priceCents\n${row}`, 422, 'csv'],
    [`"sku,name,priceCents\n${row}`, 422, 'csv'],
    [Buffer.from([0xff, 0x73, 0x6b, 0x75, 0x0a, 0x41, 0x0a]), 422, 'csv'],
    [`sku,name,priceCents\nA,a\0b,5\n`, 200, undefined]
  ] as const) {
    const answer = await load(csv as string, 'text/csv')
    t.equal(answer.status, status, JSON.stringify(String(csv)))
    if (code) t.match(answer.body.details, [{ code }])
  }
  t.equal(await exported(), '')
})

t.test('a line that is no CSV is refused with its number, and the others are taken', async (t) => {
  const good = (sku: string) => `${sku},"Name, of ""${sku}""\nin two lines",5\n`
  const many = (from: number) => Array.from({ length: 300 }, (_, n) => `${from + n},x,1\n`).join('')
  for (const [bad, end = '\n'] of [
    ['M1,24" monitor,100'],
    ['M1,"24" monitor,100'],
    ['M1,"24 monitor,100'],
    ['"M1,24 monitor,100'],
    ['M1,24 "monitor",100'],
    ['M1,"a" "b",100'],
    [Buffer.from([0x41, 0x2c, 0xff, 0x2c, 0x35])],
    [`M1,${'x'.repeat(1_100_000)},1`],
    [`M1,"${'x\n'.repeat(4)}`, ''],
    ['M1,"24 monitor,100', '']
  ] as [string | Buffer, string?][]) {
    await clear()
    const parts = [
      '\ufeffsku,name,priceCents\n',
      good('A'),
      many(0),
      bad,
      end,
      ...(end && [many(1000), good('B'), good('C')])
    ]
    const csv = Buffer.concat(parts.map((part) => Buffer.from(part)))
    const { status, body } = await load(csv, 'text/csv')
    const name = String(bad).slice(0, 30)
    t.match({ status, created: body.created }, { status: 200, created: end ? 603 : 301 }, name)
    t.match(body.errors[0], { line: 304, code: 'VALIDATION_FAILED' }, name)
    t.same(
      rowsOf(await exported('?sku=A')).map((row) => row.name),
      ['Name, of "A"\nin two lines']
    )
  }
  await clear()
  const old = await load('sku,name,priceCents\rA,One,5\rB,T"wo,5\rC,Three,5\r', 'text/csv')
  t.match(old.body, { created: 2, errors: [{ line: 3 }] })
})

t.test('takes NDJSON and CSV only, from callers with write access', async (t) => {
  t.equal((await load('{}', 'application/json')).status, 415)
  t.equal((await load('{}', NDJSON, '', products, ada.token)).status, 403)
  t.match((await load('')).body, { created: 0, failed: 0 })
  t.match((await load(Buffer.from([0x22, 0xff, 0x22]))).body.errors, [{ line: 1, code: 'INVALID_JSON' }])
})

async function fill(count: number): Promise<void> {
  await clear()
  await app.db.execute(sql`
    insert into products (id, sku, name, price_cents, currency, stock, tags, active)
    select gen_random_uuid(), 'sku ' || n, repeat('name ', 20), n % 7, 'USD', 0, '{}', true
    from generate_series(1, ${count}::integer) as n`)
}

const open = (method: string, path: string, headers: Record<string, string> = {}) =>
  httpRequest({
    port,
    host: '127.0.0.1',
    method,
    path,
    headers: { authorization: `Bearer ${admin.token}`, ...headers }
  })

t.test('exports more than a batch, each row once; an export without a reader holds no connection', async (t) => {
  await fill(20_000)
  const request = open('GET', `${products}/export?sort=priceCents`).end()
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  // The only connection of the pool is free while the export waits for its reader.
  t.equal((await send('GET', `${products}?limit=1&count=exact`)).body.page.total, 20_000)
  const seen = new Set<string>()
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) text += chunk
  const found = rowsOf(text)
  for (const { sku } of found) seen.add(sku)
  t.equal(found.length, 20_000)
  t.equal(seen.size, 20_000)
  t.ok(found.every((row, n) => n === 0 || found[n - 1].priceCents <= row.priceCents))
})

t.test('a reader that goes away leaves nothing behind', async (t) => {
  const closed = new Promise((resolve) =>
    app.server.once('request', (_request, response) => response.once('close', resolve))
  )
  const request = open('GET', `${products}/export`).end()
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  response.destroy()
  await closed
  t.equal((await send('GET', `${products}?limit=1`)).status, 200)
})

async function untilThereAre(count: number): Promise<void> {
  let total = 0
  while (total < count) {
    total = (await send('GET', `${products}?limit=1&count=exact`)).body.page.total
    // Injected requests alone would leave the sockets no turn.
    await new Promise(setImmediate)
  }
}

t.test('a sender that goes away keeps what was written before, and the connection is free', async (t) => {
  await clear()
  const request = open('POST', `${products}/import`, { 'content-type': NDJSON, 'transfer-encoding': 'chunked' })
  request.on('error', () => {})
  const some = Array.from({ length: 2500 }, (_, n) => ({ sku: `s${n}`, name: 'x', priceCents: 1 }))
  const closed = new Promise((resolve) =>
    app.server.once('request', (_request, response) => response.once('close', resolve))
  )
  request.write(lines(some))
  await untilThereAre(2000)
  request.destroy()
  await closed
  t.equal((await send('GET', `${products}?limit=1&count=exact`)).body.page.total, 2000, 'whole batches')
})

t.test('an import may take longer than any other request', async (t) => {
  await clear()
  const request = open('POST', `${products}/import`, { 'content-type': NDJSON, 'transfer-encoding': 'chunked' })
  const [arrived] = await Promise.all([
    once(app.server, 'request'),
    request.write(lines([{ sku: '1', name: 'x', priceCents: 1 }]))
  ])
  const { socket } = arrived[0] as IncomingMessage
  while (arrived[0].readableFlowing === null && arrived[0].listenerCount('readable') === 0)
    await new Promise(setImmediate)
  // What Node tells of a request that is over its time.
  const late = Object.assign(new Error('Request timeout'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' })
  app.server.emit('clientError', late, socket)
  request.end(lines([{ sku: '2', name: 'x', priceCents: 1 }]))
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  t.equal(response.statusCode, 200)
  t.match(JSON.parse(Buffer.concat(await response.toArray()).toString()), { created: 2 })

  const other = connect(port, '127.0.0.1')
  const [connected] = await once(app.server, 'connection')
  app.server.emit('clientError', late, connected)
  await once(other.resume(), 'close')
  t.pass('every other request is ended')
})

t.test('an import that cannot go on says how far it came', async (t) => {
  await clear()
  const good = Array.from({ length: 2500 }, (_, n) => `g${n},x,1\n`)
  const request = open('POST', `${products}/import`, { 'content-type': 'text/csv', 'transfer-encoding': 'chunked' })
  request.write(`sku,name,priceCents\n${good.join('')}`)
  await untilThereAre(2000)
  await app.db.execute(sql`alter table products rename to away`)
  request.end(`${good.join('').replaceAll('g', 'h')}`)
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  await app.db.execute(sql`alter table away rename to products`)
  t.match(response, { statusCode: 500 })
  const { error } = JSON.parse(Buffer.concat(await response.toArray()).toString())
  t.match(error, { code: 'INTERNAL', details: { created: 2000, failed: 0 } })
})
