import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { sql } from 'drizzle-orm'
import t from 'tap'
import { idempotencyKeys } from '#src/http/idempotency/table.ts'
import { RENEW_EVERY_MS } from '#src/http/stream.ts'
import { startApp } from '#test/support/app.ts'
import { takeIntervals } from '#test/support/intervals.ts'

const NDJSON = 'application/x-ndjson'
const { app, send, someone } = await startApp(t)
const admin = await someone('admin')
await app.listen({ host: '127.0.0.1', port: 0 })
const { port } = app.server.address() as AddressInfo
const path = '/api/v1/categories/import'
const lines = (...names: unknown[]) => names.map((name) => `${JSON.stringify({ name })}\n`).join('')
const load = (key: string, body: string, type = NDJSON, query = '') =>
  send('POST', path + query, { as: admin.token, body, headers: { 'content-type': type, 'idempotency-key': key } })
const total = async () => (await send('GET', '/api/v1/categories?count=exact&limit=1')).body.page.total

function open(key: string) {
  const headers = { authorization: `Bearer ${admin.token}`, 'content-type': NDJSON, 'idempotency-key': key }
  const request = httpRequest({ port, host: '127.0.0.1', method: 'POST', path, headers })
  request.on('error', () => {})
  return request
}

// The body is being read: its key is taken.
async function untilTaken(): Promise<void> {
  while ((await app.db.$count(idempotencyKeys, sql`status is null`)) === 0) await new Promise(setImmediate)
}

t.test('a repeated import gets the first report, and nothing is written twice', async (t) => {
  const body = lines('one', 'two', 7)
  const first = await load('a', body)
  t.match(first, { status: 200, body: { created: 2, failed: 1, errors: [{ line: 3 }] } })
  const before = await total()
  const again = await load('a', body)
  t.equal(again.headers['idempotency-replayed'], 'true')
  t.same([again.status, again.text], [first.status, first.text])
  t.equal(await total(), before)
  const secondTime = await send('POST', path, { as: admin.token, body, headers: { 'content-type': NDJSON } })
  t.match(secondTime.body, { created: 0, failed: 3 }, 'without the key it is a new one')
  t.notMatch(JSON.stringify(await app.db.select().from(idempotencyKeys)), /"created"|errors/)
})

t.test('another body, type or query is refused', async (t) => {
  await load('b', lines('b'))
  for (const [body, type, query] of [
    [lines('b', 'c'), NDJSON, ''],
    [lines('b').trimEnd(), NDJSON, ''],
    [lines('b'), 'text/csv', ''],
    [lines('b'), NDJSON, '?onConflict=skip']
  ] as const) {
    const refused = await load('b', body, type, query)
    t.match(refused, {
      status: 422,
      body: { error: { code: 'IDEMPOTENCY_KEY_REUSED' } }
    })
  }
  t.equal((await load('b b', lines('b'))).status, 422)
})

t.test('while an import runs a repetition is told to come back, and its key stays taken', async (t) => {
  await app.db.delete(idempotencyKeys)
  const tick = takeIntervals(t, RENEW_EVERY_MS)
  const request = open('running')
  request.write(lines('r1'))
  await untilTaken()
  const busy = await load('running', lines('r1', 'r2'))
  t.match(busy, { status: 409, body: { error: { code: 'IDEMPOTENCY_IN_PROGRESS' } }, headers: { 'retry-after': '1' } })
  await app.db.update(idempotencyKeys).set({ leasedUntil: sql`now() + interval '1 second'` })
  tick()
  while ((await app.db.$count(idempotencyKeys, sql`leased_until > now() + interval '30 seconds'`)) === 0)
    await new Promise(setImmediate)
  request.end(lines('r2'))
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  t.match(JSON.parse(Buffer.concat(await response.toArray()).toString()), { created: 2 })
  t.match(await load('running', lines('r1', 'r2')), {
    body: { created: 2 },
    headers: { 'idempotency-replayed': 'true' }
  })
})

t.test('an import that does not come to its end leaves the key free', async (t) => {
  await app.db.delete(idempotencyKeys)
  const broken = await load('broken', 'nothing\nx', 'text/csv')
  t.equal(broken.status, 422, 'its header names no column')
  t.equal(await app.db.$count(idempotencyKeys), 0)
  t.match(await load('broken', lines('mended')), { status: 200, body: { created: 1 } })

  await app.db.delete(idempotencyKeys)
  const request = open('cut')
  request.write(lines('cut'))
  await untilTaken()
  request.destroy()
  while ((await app.db.$count(idempotencyKeys)) > 0) await new Promise(setImmediate)
  t.match(await load('cut', lines('cut')), { status: 200, body: { failed: 0 } })
})

t.test('the key of a process that died is free when its lease is over', async (t) => {
  await app.db.delete(idempotencyKeys)
  await load('dead', lines('d1'))
  // As the process left it: taken, and no answer.
  const age = (seconds: number) =>
    app.db.update(idempotencyKeys).set({ status: null, leasedUntil: sql`now() + make_interval(secs => ${seconds})` })
  await age(30)
  t.equal((await load('dead', lines('d1', 'd2'))).status, 409)
  await age(-1)
  t.match((await load('dead', lines('d1', 'd2'), NDJSON)).body, { created: 1, failed: 1 }, 'as onConflict says')
})
