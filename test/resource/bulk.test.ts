import { sql } from 'drizzle-orm'
import t from 'tap'
import { selectRaw } from '#src/db/rows.ts'
import { type Answered, startApp } from '#test/support/app.ts'
import { isPostgres } from '#test/support/database.ts'
import { noteStatements } from '#test/support/statements.ts'

const { app, send, someone } = await startApp(t)
const noted = noteStatements(app)
// Credentials are looked after in the background, by statements of their own.
const statements = {
  of: async (work: () => Promise<unknown>) =>
    (await noted.of(work)).filter((one) => /"(products|categories)"/.test(one))
}
const [admin, ada, bob] = [await someone('admin'), await someone(), await someone()]

const NOWHERE = '01890000-0000-7000-8000-000000000000'
const desk = (n: number | string, more: object = {}) => ({
  sku: `DESK-${n}`,
  name: `Desk ${n}`,
  priceCents: 100,
  ...more
})
const desks = (from: number, count: number) => Array.from({ length: count }, (_, n) => desk(from + n))
const bulk = (method: string, body: object, query = '', path = '/api/v1/products', as = admin.token) =>
  send(method, `${path}/bulk${query}`, { as, body })
const total = async (query: string) =>
  (await send('GET', `/api/v1/products?count=exact&limit=1&${query}`)).body.page.total
const read = async (id: string) => (await send('GET', `/api/v1/products/${id}`)).body
const counts = ({ body: { results: _results, ...counted } }: Answered) => counted
const failures = ({ body }: Answered) =>
  body.results
    .filter((one: { status: string }) => one.status === 'failed')
    .map((one: { index: number; error: { code: string; details: { path: string }[] } }) => [
      one.index,
      one.error.code,
      one.error.details.map((fault) => fault.path).join()
    ])
const places = ({ body }: Answered) =>
  body.details.map((fault: { path: string; code: string }) => `${fault.path} ${fault.code}`)

t.test('a thousand items with three bad ones: partial writes 997 and names three, in one statement', async (t) => {
  await bulk('POST', { items: [desk('taken')] })
  const items = desks(1000, 1000)
  items[3] = desk('bad price', { priceCents: -1 })
  items[500] = desk('taken')
  items[999] = desk('nowhere', { categoryId: NOWHERE })
  let answer: Answered | undefined
  const sent = await statements.of(async () => {
    answer = await bulk('POST', { items }, '?mode=partial')
  })
  t.equal(sent.length, 1)
  const seen = answer as Answered
  t.equal(seen.status, 200)
  t.same(counts(seen), { created: 997, updated: 0, skipped: 0, deleted: 0, failed: 3 })
  t.same(failures(seen), [
    [3, 'VALIDATION_FAILED', '/items/3/priceCents'],
    [500, 'CONFLICT', '/items/500/sku'],
    [999, 'REFERENCE_CONFLICT', '/items/999/categoryId']
  ])
  t.equal(seen.body.results.length, 1000)
  t.equal(await total('sku[like]=DESK-1%25'), 997)
  t.match(await read(seen.body.results[7].id), { sku: 'DESK-1007', stock: 0, currency: 'USD', tags: [], active: true })
})

t.test('atomic writes none, names all, and takes one statement or none', async (t) => {
  const items = desks(3000, 1000)
  const bad = [...items]
  bad[3] = desk('bad', { priceCents: -1, stock: '1' })
  bad[4] = { ...desk('bad'), colour: 'red' } as never
  let answer: Answered | undefined
  const refused = await statements.of(async () => {
    answer = await bulk('POST', { items: bad })
  })
  t.equal(refused.length, 0, 'what a schema refuses needs no database')
  t.match(answer, {
    status: 422,
    body: { error: { code: 'VALIDATION_FAILED' }, detail: '2 items were refused. Nothing was changed.' }
  })
  t.same(places(answer as Answered), ['/items/3/priceCents minimum', '/items/3/stock type', '/items/4/colour unknown'])

  items[10] = desk('taken')
  items[11] = desk(3000)
  items[12] = desk('taken')
  const sent = await statements.of(async () => {
    answer = await bulk('POST', { items }, '?mode=atomic')
  })
  t.equal(sent.length, 1)
  t.match(answer, { status: 409, body: { error: { code: 'CONFLICT' } } })
  t.same(places(answer as Answered), ['/items/10/sku unique', '/items/11/sku unique', '/items/12/sku unique'])
  t.equal(await total('sku[like]=DESK-3%25'), 0)

  items[12] = desk('x', { categoryId: NOWHERE })
  const mixed = await bulk('POST', { items })
  t.match(mixed, { status: 422, body: { details: [{ code: 'unique' }, { code: 'unique' }, { code: 'reference' }] } })
  t.equal(await total('sku[like]=DESK-3%25'), 0)
})

t.test('a thousand good items are one statement', async (t) => {
  const sent = await statements.of(() => bulk('POST', { items: desks(5000, 1000) }))
  t.equal(sent.length, 1)
  t.equal(await total('sku[like]=DESK-5%25'), 1000)
})

t.test('an item with a taken key is skipped or updated on request', async (t) => {
  const first = await bulk('POST', { items: [desk('a', { stock: 5, tags: ['x'] })] })
  const id = first.body.results[0].id
  const skipped = await bulk('POST', {
    items: [desk('a', { name: 'Other' }), desk('b'), desk('b')],
    onConflict: 'skip'
  })
  t.same(counts(skipped), { created: 1, updated: 0, skipped: 2, deleted: 0, failed: 0 })
  t.equal(skipped.body.results[0].id, id)
  t.equal(skipped.body.results[2].id, skipped.body.results[1].id)
  t.match(await read(id), { name: 'Desk a', stock: 5 })

  const items = [desk('a', { name: 'Other' }), desk('c')]
  const sent = await statements.of(async () => {
    t.same(counts(await bulk('POST', { items, onConflict: 'update' })), {
      created: 1,
      updated: 1,
      skipped: 0,
      deleted: 0,
      failed: 0
    })
  })
  t.equal(sent.length, 1)
  t.match(await read(id), { name: 'Other', stock: 5, tags: ['x'] }, 'a stored row gets what was sent and nothing else')
  t.equal((await send('GET', `/api/v1/products/${id}`)).headers.etag, '"2"')

  const twice = await bulk(
    'POST',
    { items: [desk('d'), desk('d', { stock: 2 })], onConflict: 'update' },
    '?mode=partial'
  )
  t.same(failures(twice), [[1, 'CONFLICT', '/items/1/sku']])
  t.match(twice.body.results[1].error.details, [{ code: 'repeated' }])
})

t.test('an upsert of a stored row needs only its key; a new row needs all; replace sets the whole row', async (t) => {
  const whole = desk('up', { stock: 7, currency: 'EUR', tags: ['a'], description: 'Old', active: false })
  const { id } = (await bulk('POST', { items: [whole] })).body.results[0]
  const post = (items: object[], onConflict = 'update', query = '?mode=partial') =>
    bulk('POST', { items, onConflict }, query)
  t.match((await post([{ sku: 'DESK-up' }])).body.results, [{ status: 'updated', id }])
  t.match(await send('GET', `/api/v1/products/${id}`), { body: whole, headers: { etag: '"1"' } })
  const mixed = await post([
    { sku: 'DESK-up', priceCents: 5 },
    { sku: 'DESK-none', stock: 1 },
    desk('up2'),
    { name: 'x' }
  ])
  t.same(counts(mixed), { created: 1, updated: 1, skipped: 0, deleted: 0, failed: 2 })
  t.same(failures(mixed), [
    [1, 'VALIDATION_FAILED', '/items/1/name,/items/1/priceCents'],
    [3, 'VALIDATION_FAILED', '/items/3/sku,/items/3/priceCents']
  ])
  t.match(await read(id), { ...whole, priceCents: 5 })
  t.match((await post([{ sku: 'DESK-up', stock: -1 }])).body.results, [{ status: 'failed' }])
  t.match((await post([{ sku: 'DESK-up', categoryId: NOWHERE }])).body.results, [{ status: 'failed', id }])
  t.equal((await post([{ sku: 'DESK-none', stock: 1 }, desk('up3')], 'update', '')).status, 422)
  t.equal(await total('sku=DESK-up3'), 0)
  t.match((await post([{ sku: 'DESK-up' }], 'replace')).body.results, [{ status: 'failed' }])
  t.match((await post([desk('up')], 'replace')).body, { updated: 1 })
  t.match(await read(id), { stock: 0, currency: 'USD', tags: [], description: null, active: true })
  const two = { sku: 'DESK-up', price: { amount: 9 } }
  await bulk(
    'POST',
    { items: [{ ...two, price: { amount: 8, currency: 'EUR' } }], onConflict: 'update' },
    '',
    '/api/v2/products'
  )
  await bulk('POST', { items: [two], onConflict: 'update' }, '', '/api/v2/products')
  t.match(await read(id), { priceCents: 9, currency: 'EUR' })
  for (const [type, text] of [
    ['text/csv', 'sku,name,priceCents\nDESK-up,CSV,10\nDESK-new,,10\n'],
    ['application/x-ndjson', '{"sku":"DESK-up","name":"CSV"}\n{"sku":"DESK-new","stock":1}\n']
  ] as const) {
    await bulk('POST', { items: [{ ...desk('up'), stock: 3 }], onConflict: 'replace' })
    const options = { as: admin.token, body: text, headers: { 'content-type': type } }
    const { body } = await send('POST', '/api/v1/products/import?onConflict=update', options)
    t.match(body, { created: 0, updated: 1, failed: 1 }, type)
    t.match(await read(id), { name: 'CSV', stock: 3 }, type)
  }
})

t.test(
  'many changes of the same rows in opposite orders never lock each other out',
  { skip: !isPostgres },
  async (t) => {
    const count = 200
    const { body } = await bulk('POST', { items: desks(40_000, count) })
    const ids = body.results.map((one: { id: string }) => one.id)
    const deadlocks = async () =>
      selectRaw(app.db, sql`select deadlocks::int from pg_stat_database where datname = current_database()`)
    const ways = [
      (order: number[]) => bulk('PATCH', { items: order.map((n) => ({ id: ids[n], stock: n })) }),
      (order: number[]) =>
        bulk('POST', { items: order.map((n) => desk(40_000 + n, { stock: n })), onConflict: 'update' }),
      (order: number[]) => bulk('POST', { items: order.map((n) => desk(50_000 + n)), onConflict: 'skip' })
    ]
    const before = await deadlocks()
    const forth = Array.from({ length: count }, (_, n) => n)
    const answers = await Promise.all(
      Array.from({ length: 9 }, (_, n) => ways[n % 3]?.(n % 2 ? forth : forth.toReversed()))
    )
    t.ok(answers.every((answer) => answer?.status === 200))
    t.same(await deadlocks(), before)
    const removals = [ids, ids.toReversed()].map((some) => bulk('DELETE', { ids: some }, '?mode=partial'))
    t.same(
      (await Promise.all(removals)).map(({ body }) => body.deleted).toSorted((a, b) => a - b),
      [0, count]
    )
  }
)

t.test('return=minimal leaves out what succeeded, and never what failed', async (t) => {
  const post = (items: object[], mode = 'partial') =>
    send('POST', `/api/v1/products/bulk?mode=${mode}`, {
      as: admin.token,
      body: { items },
      headers: { prefer: 'return=minimal' }
    })
  t.match(await post([desk('m1'), desk('m2')]), { status: 204, text: '' })
  const { status, headers, body } = await post([desk('m3'), desk('m2'), desk('m4', { stock: -1 })])
  t.match({ status, applied: headers['preference-applied'] }, { status: 200, applied: 'return=minimal' })
  t.match(body, {
    created: 1,
    failed: 2,
    results: [
      { index: 1, status: 'failed' },
      { index: 2, status: 'failed' }
    ]
  })
  t.equal(body.results.length, 2)
})

t.test('v2 takes the same by its own fields', async (t) => {
  const items = [{ sku: 'V2', name: 'Desk', price: { amount: 5 } }]
  const { body } = await bulk('POST', { items, onConflict: 'update' }, '', '/api/v2/products')
  t.match(await read(body.results[0].id), { priceCents: 5, currency: 'USD' })
  const [{ id }] = body.results
  await bulk('PATCH', { items: [{ id, price: { amount: 7 } }] }, '', '/api/v2/products')
  t.match(await read(id), { priceCents: 7, currency: 'USD', name: 'Desk' })
  const refused = await bulk('PATCH', { items: [{ id, price: { amount: -7 } }] }, '', '/api/v2/products')
  t.same(places(refused), ['/items/0/price/amount minimum'])
})

t.test('patches by id, each what it names, in one statement', async (t) => {
  const { body } = await bulk('POST', { items: [desk('p1', { stock: 1 }), desk('p2', { stock: 2 }), desk('p3')] })
  const [p1, p2, p3] = body.results.map((one: { id: string }) => one.id)
  const items = [
    { id: p1, name: 'One' },
    { id: p2.toUpperCase(), description: 'Two', tags: ['a'] },
    { id: p3 },
    { id: NOWHERE, name: 'x' },
    { id: p1, name: 'Again' },
    { id: p1.replace(/.$/, 'g') },
    { name: 'x' }
  ]
  let answer: Answered | undefined
  const sent = await statements.of(async () => {
    answer = await bulk('PATCH', { items }, '?mode=partial')
  })
  t.equal(sent.length, 1)
  t.same(counts(answer as Answered), { created: 0, updated: 3, skipped: 0, deleted: 0, failed: 4 })
  t.same(failures(answer as Answered), [
    [3, 'NOT_FOUND', '/items/3/id'],
    [4, 'CONFLICT', '/items/4/id'],
    [5, 'VALIDATION_FAILED', '/items/5/id'],
    [6, 'VALIDATION_FAILED', '/items/6/id']
  ])
  t.match(await read(p1), { name: 'One', stock: 1 })
  t.match(await read(p2), { name: 'Desk p2', description: 'Two', tags: ['a'], stock: 2 })
  t.equal((await send('GET', `/api/v1/products/${p2}`)).headers.etag, '"2"')
  t.equal((await send('GET', `/api/v1/products/${p3}`)).headers.etag, '"1"', 'an empty patch changes nothing')

  const none = await bulk('PATCH', {
    items: [
      { id: p1, name: 'Not this' },
      { id: NOWHERE, name: 'x' }
    ]
  })
  t.match(none, { status: 404, body: { error: { code: 'NOT_FOUND' }, details: [{ path: '/items/1/id' }] } })
  t.match(await read(p1), { name: 'One' })

  const empty = await bulk('PATCH', { items: [{ id: p1 }] })
  t.match(empty.body, { updated: 1 })

  const taken = await bulk(
    'PATCH',
    {
      items: [
        { id: p1, sku: 'DESK-p2' },
        { id: p2, categoryId: NOWHERE },
        { id: p3, sku: 'DESK-new' }
      ]
    },
    '?mode=partial'
  )
  t.same(failures(taken), [
    [0, 'CONFLICT', '/items/0/sku'],
    [1, 'REFERENCE_CONFLICT', '/items/1/categoryId']
  ])
  t.match(await read(p3), { sku: 'DESK-new' })
})

t.test('a row that only the database can refuse is found item by item, and spares the others', async (t) => {
  const { body } = await bulk('POST', { items: ['q1', 'q2', 'q3', 'q4', 'q5'].map((n) => desk(n)) })
  const ids = body.results.map((one: { id: string }) => one.id)
  const items = ids.map((id: string, n: number) => ({ id, sku: n === 1 || n === 3 ? 'DESK-same' : `DESK-r${n}` }))
  const patched = await bulk('PATCH', { items }, '?mode=partial')
  t.same(failures(patched), [[3, 'CONFLICT', '/items/3/sku']])
  t.match(await read(ids[1]), { sku: 'DESK-same' })
  t.match(await read(ids[4]), { sku: 'DESK-r4' })

  const again = ids.map((id: string, n: number) => ({ id, sku: n < 2 ? 'DESK-other' : `DESK-s${n}` }))
  t.match(await bulk('PATCH', { items: again }), { status: 409, body: { details: [{ path: '/items/1/sku' }] } })
  t.match(await read(ids[4]), { sku: 'DESK-r4' }, 'nothing of it stays')
})

t.test('deletes by id in one statement; what is in use stays and is named', async (t) => {
  const path = '/api/v1/categories'
  const made = await bulk('POST', { items: ['x', 'y', 'z'].map((name) => ({ name })) }, '', path)
  const [x, y, z] = made.body.results.map((one: { id: string }) => one.id)
  await bulk('POST', { items: [desk('in y', { categoryId: y })] })

  const atomic = await bulk('DELETE', { ids: [x, y] }, '', path)
  t.match(atomic, { status: 409, body: { error: { code: 'REFERENCE_CONFLICT' }, details: [{ path: '/ids/1' }] } })
  t.match(await bulk('DELETE', { ids: [x, NOWHERE] }, '', path), {
    status: 404,
    body: { details: [{ path: '/ids/1/id' }] }
  })
  t.equal((await send('GET', `${path}/${x}`)).status, 200, 'nothing was deleted')

  const partial = await bulk('DELETE', { ids: [x.toUpperCase(), y, NOWHERE, x, 'x'] }, '?mode=partial', path)
  t.same(counts(partial), { created: 0, updated: 0, skipped: 0, deleted: 1, failed: 4 })
  t.same(
    failures(partial).map(([index, code]: [number, string]) => `${index} ${code}`),
    ['1 REFERENCE_CONFLICT', '2 NOT_FOUND', '3 CONFLICT', '4 VALIDATION_FAILED']
  )
  const sent = await statements.of(() => bulk('DELETE', { ids: [z] }, '', path))
  t.equal(sent.length, 1)
  t.equal((await send('GET', `${path}/${z}`)).status, 404)
})

t.test('a row of another owner is 404, item by item, and a created row belongs to the caller', async (t) => {
  const path = '/api/v1/items'
  const made = await bulk('POST', { items: [{ title: 'Mine' }, { title: 'Mine too' }] }, '', path, ada.token)
  const [mine, too] = made.body.results.map((one: { id: string }) => one.id)
  t.equal((await send('GET', `${path}/${mine}`, { as: ada.token })).body.ownerId, ada.id)
  const own = (await bulk('POST', { items: [{ title: 'Bobs' }] }, '', path, bob.token)).body.results[0].id

  const patched = await bulk(
    'PATCH',
    {
      items: [
        { id: mine, title: 'Taken' },
        { id: own, title: 'B' }
      ]
    },
    '?mode=partial',
    path,
    bob.token
  )
  t.same(failures(patched), [[0, 'NOT_FOUND', '/items/0/id']])
  const deleted = await bulk('DELETE', { ids: [mine, own] }, '?mode=partial', path, bob.token)
  t.same(failures(deleted).length, 1)
  t.equal((await send('GET', `${path}/${mine}`, { as: ada.token })).body.title, 'Mine')
  t.same(counts(await bulk('DELETE', { ids: [mine, too] }, '', path, admin.token)).deleted, 2, 'administrators may')
  t.match(await bulk('POST', { items: [{ title: 'x' }], onConflict: 'update' }, '', path, ada.token), {
    status: 422,
    body: { details: [{ path: '/onConflict', code: 'enum' }] }
  })
})

t.test('needs the scope of the verb, and takes 1 to 1,000 items', async (t) => {
  for (const [method, body] of [
    ['POST', { items: [desk('no')] }],
    ['PATCH', { items: [{ id: NOWHERE }] }],
    ['DELETE', { ids: [NOWHERE] }]
  ] as [string, object][]) {
    t.equal((await bulk(method, body, '', '/api/v1/products', ada.token)).status, 403, method)
    t.equal((await send(method, '/api/v1/products/bulk', { body })).status, 401, method)
  }
  t.match(await bulk('POST', { items: [] }), { status: 422, body: { details: [{ path: '/items', code: 'minItems' }] } })
  t.match(await bulk('POST', { items: desks(1, 1001) }), { status: 422, body: { details: [{ path: '/items' }] } })
  t.equal((await bulk('POST', { items: [desk('m')] }, '?mode=some')).status, 422)
})

t.test('the same rows sent many times at once are made once', async (t) => {
  const categoryId = (await bulk('POST', { items: [{ name: 'w' }] }, '', '/api/v1/categories')).body.results[0].id
  const items = desks(20_000, 50).map((one) => ({ ...one, categoryId }))
  const times = { length: isPostgres ? 8 : 2 }
  const answers = await Promise.all(Array.from(times, () => bulk('POST', { items }, '?mode=partial')))
  t.equal(
    answers.reduce((sum, { body }) => sum + body.created, 0),
    50
  )
})
