import { eq, sql } from 'drizzle-orm'
import t from 'tap'
import { orderLines, orders } from '#routes/api/v1/orders/table.ts'
import { products } from '#routes/api/v1/products/table.ts'
import { blameOf } from '#src/resource/rows/batched.ts'
import { type Answered, startApp } from '#test/support/app.ts'
import { isPostgres } from '#test/support/database.ts'
import { fixtures } from '#test/support/fixtures.ts'
import { noteStatements } from '#test/support/statements.ts'

const { app, send, someone } = await startApp(t, { RATE_LIMIT_ENABLED: 'false' }, { batches: true })
const noted = noteStatements(app)
const admin = await someone('admin')
const missing = '0192f0c1-2345-7abc-8def-0123456789ab'

interface Asked {
  method?: string
  body?: object
  headers?: Record<string, string>
  as?: string
}

let made = 0

async function make(count: number, path = '/api/v1/products'): Promise<string[]> {
  const rows = Array.from({ length: count }, async () => {
    made += 1
    const whole = { sku: `sku ${made}`, name: 'Made', priceCents: 1 }
    const bodies: Record<string, object> = {
      '/api/v1/items': { title: 'Made' },
      '/api/v1/partly': { name: `n${made}` }
    }
    const { headers } = await send('POST', path, { as: admin.token, body: bodies[path] ?? whole })
    return headers.location as string
  })
  return Promise.all(rows)
}

const idOf = (place: string) => place.split('/').at(-1) as string
const ask = (place: string, { method = 'PATCH', as = admin.token, ...more }: Asked) =>
  send(method, place, { as, ...more })
const told = ({ status, headers, body }: Answered) =>
  [status, headers.etag, body?.error?.code].filter(Boolean).join(' ')
const read = async (place: string) => (await send('GET', place, { as: admin.token })).body

/** What is asked at once, and how many statements that takes. */
async function together(asked: [place: string, asked: Asked][]) {
  let answers: Answered[] = []
  const statements = await noted.of(async () => {
    answers = await Promise.all(asked.map(([place, one]) => ask(place, one)))
  })
  return { answers, statements }
}

t.test('changes that arrive together are one statement, but for those of unique values and references', async (t) => {
  let [a, b, c, d] = ['', '', '', '']
  let whole: object = {}
  const change = async () => {
    ;[a, b, c, d] = (await make(4)) as [string, string, string, string]
    whole = { sku: `whole ${made}`, name: 'Whole', priceCents: 3, tags: ['a "b"', 'ü'] }
    return together([
      [a, { body: { description: 'a' } }],
      [b, { body: { stock: 2, tags: [] }, headers: { 'if-match': '"7", "1"' } }],
      [c, { method: 'PUT', body: whole }],
      [d.replace(idOf(d), idOf(d).toUpperCase()), { body: { description: null, stock: 4 } }]
    ])
  }
  // On a busy machine requests that are sent together may arrive in two turns of the event loop.
  let { answers, statements } = await change()
  for (let tries = 0; statements.length > 2 && tries < 20; tries += 1) ({ answers, statements } = await change())
  t.equal(statements.length, 2, 'that of the replacement, and one for all others')
  t.same(answers.map(told), Array(4).fill('200 "2"'))
  t.match(
    answers.map(({ body }) => body),
    [{ description: 'a', stock: 0, name: 'Made' }, { stock: 2, tags: [] }, whole, { description: null, stock: 4 }]
  )
  for (const [at, place] of [a, b, c, d].entries()) t.same(await read(place), answers[at]?.body)
})

t.test('so are deletes', async (t) => {
  const places = await make(5)
  const { answers, statements } = await together(places.map((place) => [place, { method: 'DELETE' }]))
  t.equal(statements.length, 1)
  t.same(answers.map(told), Array(5).fill('204'))
  for (const place of places) t.match(await read(place), { status: 404 })
})

t.test('each is answered for itself, and what is wrong with one does no harm to another', async (t) => {
  const stranger = await someone()
  const [own] = (await make(1, '/api/v1/items')) as [string]
  const [taken] = await make(1)
  const sku = (await read(taken as string)).sku
  const nowhere = `/api/v1/products/${missing}`
  const wrong: [Asked, expected: string, place?: string][] = [
    [{ body: { stock: 1 } }, '404 NOT_FOUND', nowhere],
    [{ body: { stock: 1 }, headers: { 'if-match': '"1"' } }, '404 NOT_FOUND', nowhere],
    [{ method: 'DELETE' }, '404 NOT_FOUND', nowhere],
    [{ body: { title: 'taken over' }, as: stranger.token }, '404 NOT_FOUND', own],
    [{ method: 'DELETE', as: stranger.token }, '404 NOT_FOUND', own],
    [{ body: { stock: 1 }, headers: { 'if-match': '"2", "3"' } }, '412 PRECONDITION_FAILED'],
    [{ method: 'DELETE', headers: { 'if-match': '"2"' } }, '412 PRECONDITION_FAILED'],
    [{ body: { stock: 1 }, headers: { 'if-none-match': '*' } }, '412 PRECONDITION_FAILED'],
    [{ method: 'DELETE', headers: { 'if-none-match': '"1"' } }, '412 PRECONDITION_FAILED'],
    [{ body: { sku } }, '409 CONFLICT'],
    [{ body: { categoryId: missing } }, '409 REFERENCE_CONFLICT'],
    [{ body: { nothing: 1 } }, '422 VALIDATION_FAILED']
  ]
  // A row for each, or only the first change of it would go with the others.
  const [patched, removed, ...still] = (await make(wrong.length + 2)) as [string, string, ...string[]]
  const { answers } = await together([
    ...wrong.map(([asked, , place], at): [string, Asked] => [place ?? (still[at] as string), asked]),
    [patched, { body: { stock: 9 } }],
    [removed, { method: 'DELETE' }]
  ])
  t.same(answers.map(told), [...wrong.map(([, expected]) => expected), '200 "2"', '204'])
  for (const place of still) {
    t.match(await send('GET', place), { body: { stock: 0, categoryId: null }, headers: { etag: '"1"' } })
  }
  t.match(await ask(own, { method: 'GET' }), { body: { title: 'Made' }, headers: { etag: '"1"' } })
  t.match([await read(patched), await read(removed)], [{ stock: 9 }, { status: 404 }])
})

t.test('a row in use stays, and the other rows of its batch are deleted', async (t) => {
  const places = (await make(3)) as [string, string, string]
  const [order] = await app.db
    .insert(orders)
    .values({ userId: admin.id, status: 'pending', totalCents: 1, currency: 'USD' } as never)
    .returning({ id: orders.id })
  const line = { orderId: order?.id, position: 1, productId: idOf(places[1]), quantity: 1, unitPriceCents: 1 }
  await app.db.insert(orderLines).values(line as never)
  const { answers } = await together(places.map((place) => [place, { method: 'DELETE' }]))
  t.same(answers.map(told), ['204', '409 REFERENCE_CONFLICT', '204'])
  t.match(await read(places[1]), { name: 'Made' })
})

t.test('an error that a trigger raises fails no other change of the batch', async (t) => {
  await app.db.execute(sql`
    create function refuse() returns trigger language plpgsql as $$ begin raise exception 'refused'; end $$`)
  await app.db.execute(sql`
    create trigger refuse before update on products for each row when (new.stock = 666) execute function refuse()`)
  const places = await make(3)
  const { answers } = await together(places.map((place, at) => [place, { body: { stock: 665 + at } }]))
  t.same(answers.map(told), ['200 "2"', '500 INTERNAL', '200 "2"'])
})

t.test('changes of one row happen one after the other', async (t) => {
  const [place, other] = (await make(2)) as [string, string]
  const { answers } = await together([
    [place, { body: { description: 'first' } }],
    [place, { body: { stock: 5 } }],
    [place, { body: { name: 'Third' } }],
    [other, { body: { stock: 6 } }]
  ])
  t.same(answers.map(told).slice(0, 3).sort(), ['200 "2"', '200 "3"', '200 "4"'])
  t.same(
    [answers[0], answers[3]].map((answer) => told(answer as Answered)),
    Array(2).fill('200 "2"')
  )
  t.match(await read(place), { description: 'first', stock: 5, name: 'Third' })

  const ifMatch = { 'if-match': '"4"' }
  const rivals = await together([1, 2, 3].map((stock) => [place, { body: { stock }, headers: ifMatch }]))
  t.same(rivals.answers.map(told).sort(), ['200 "5"', ...Array(2).fill('412 PRECONDITION_FAILED')])
  const removals = await together([1, 2, 3].map(() => [place, { method: 'DELETE' }]))
  t.same(removals.answers.map(told).sort(), ['204', ...Array(2).fill('404 NOT_FOUND')])
})

t.test('no change of a few rows that many change is lost', async (t) => {
  const places = await make(3)
  const answers = await Promise.all(
    Array.from({ length: 300 }, (_, at) =>
      ask(places[at % 3] as string, { body: at % 2 ? { stock: at } : { description: `${at}` } })
    )
  )
  for (const [at, place] of places.entries()) {
    const versions = answers
      .filter((_, index) => index % 3 === at)
      .map(({ headers }) => Number(headers.etag?.slice(1, -1)))
    const sorted = versions.toSorted((x, y) => x - y)
    t.same(
      sorted,
      Array.from({ length: 100 }, (_, index) => index + 2),
      'each made the next version'
    )
    // Of each field the last one stays.
    const last = (isMine: (index: number) => boolean) =>
      answers
        .map((answer, index) => ({ answer, index, version: Number(answer.headers.etag?.slice(1, -1)) }))
        .filter(({ index }) => index % 3 === at && isMine(index))
        .sort((x, y) => y.version - x.version)[0]?.answer.body
    const { stock, description } = await read(place)
    t.equal(stock, last((index) => index % 2 === 1).stock)
    t.equal(description, last((index) => index % 2 === 0).description)
  }
})

t.test('a change that waits for a locked row delays no other', { skip: !isPostgres && 'one at a time' }, async (t) => {
  const [held, ...free] = (await make(5)) as [string, string, string, string, string]
  const isHeld = Promise.withResolvers<void>()
  const letGo = Promise.withResolvers<void>()
  const holder = app.db.transaction(async (tx) => {
    await tx
      .update(products)
      .set({ stock: 50, version: 2 })
      .where(eq(products.id, idOf(held)))
    isHeld.resolve()
    await letGo.promise
  })
  await isHeld.promise
  let isAnswered = false
  const waiting = [{ body: { description: 'late' } }, { method: 'DELETE', headers: { 'if-match': '"1"' } }].map((one) =>
    ask(held, one).finally(() => {
      isAnswered = true
    })
  )
  const answers = [
    ...(await Promise.all(free.slice(0, 2).map((place) => ask(place, { body: { stock: 1 } })))),
    ...(await Promise.all(free.slice(2).map((place) => ask(place, { method: 'DELETE' }))))
  ]
  t.same(answers.map(told), ['200 "2"', '200 "2"', '204', '204'])
  t.equal(isAnswered, false)
  letGo.resolve()
  await holder
  t.same((await Promise.all(waiting)).map(told), ['200 "3"', '412 PRECONDITION_FAILED'])
  t.match(await read(held), { stock: 50, description: 'late' })
})

t.test('a new key for a row that is being referenced delays no other change', { skip: !isPostgres }, async (t) => {
  const [held, free] = (await make(2)) as [string, string]
  const isHeld = Promise.withResolvers<void>()
  const letGo = Promise.withResolvers<void>()
  const holder = app.db.transaction(async (tx) => {
    // As the check of a reference does.
    await tx
      .select()
      .from(products)
      .where(eq(products.id, idOf(held)))
      .for('key share')
    isHeld.resolve()
    await letGo.promise
  })
  await isHeld.promise
  const waiting = ask(held, { body: { sku: 'new key' } })
  t.equal(told(await ask(free, { body: { sku: 'other key' } })), '200 "2"')
  t.equal(told(await ask(held, { body: { stock: 1 } })), '200 "2"', 'anything else may change')
  letGo.resolve()
  await holder
  t.equal(told(await waiting), '200 "3"')
})

t.test('a change that needs its own transaction or deadline is not batched', async (t) => {
  const [once, rehearsed, plain, gone] = (await make(4)) as [string, string, string, string]
  const headers = { 'idempotency-key': 'one-change' }
  const { answers } = await together([
    [once, { body: { stock: 1 }, headers }],
    [rehearsed, { body: { stock: 2 }, headers: { prefer: 'tx=rollback' } }],
    [gone, { method: 'DELETE', headers: { prefer: 'tx=rollback' } }],
    [plain, { body: { stock: 3 }, headers: { 'request-timeout': '5' } }],
    [plain, { body: { name: 'Else' }, headers: { prefer: 'return=minimal' } }]
  ])
  t.same(answers.slice(0, 3).map(told), ['200 "2"', '200 "2"', '204'])
  t.same(
    answers.slice(3).map(({ status }) => status),
    [200, 204]
  )
  t.match(await ask(once, { body: { stock: 1 }, headers }), {
    status: 200,
    headers: { etag: '"2"', 'idempotency-replayed': 'true' }
  })
  t.match(await Promise.all([once, rehearsed, plain, gone].map(read)), [
    { stock: 1 },
    { stock: 0 },
    { stock: 3, name: 'Else' },
    { stock: 0 }
  ])
})

t.test('a resource may share nothing', async (t) => {
  const { app, send, someone } = await startApp(t, {}, { ...fixtures, batches: true })
  const { token: as } = await someone('admin')
  const names = ['a', 'b', 'c']
  const created = await Promise.all(names.map((name) => send('POST', '/api/v1/partly', { as, body: { name } })))
  const noted = noteStatements(app)
  for (const [method, status] of [
    ['PATCH', 200],
    ['DELETE', 204]
  ] as const) {
    const body = method === 'PATCH' ? { body: { description: 'new' } } : {}
    const answers: Answered[] = []
    const statements = await noted.of(async () => {
      const all = created.map(({ headers }) => send(method, headers.location as string, { as, ...body }))
      answers.push(...(await Promise.all(all)))
    })
    t.equal(statements.length, 3, method)
    t.same(
      answers.map((answer) => answer.status),
      Array(3).fill(status)
    )
  }
})

t.test('the class of an error and its severity tell whether the item or the statement is at fault', async (t) => {
  const failed = (code: string, severity?: string) =>
    Object.assign(new Error(code), { code, ...(severity && { severity }) })
  const blames: [error: unknown, blame: string][] = [
    [failed('22003', 'ERROR'), 'item'],
    [failed('23505', 'ERROR'), 'item'],
    [failed('P0001', 'ERROR'), 'item'],
    [failed('57014', 'ERROR'), 'statement'],
    [failed('45000', 'ERROR'), 'statement'],
    [new Error('a statement failed', { cause: failed('40P01', 'ERROR') }), 'statement'],
    [failed('57P01', 'FATAL'), 'unknown'],
    [failed('ECONNRESET'), 'unknown'],
    ['away', 'unknown']
  ]
  for (const [error, blame] of blames) t.equal(blameOf(error), blame, String(error))
})
