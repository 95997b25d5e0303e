import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import postgres from 'postgres'
import t, { type Test } from 'tap'
import { buildApp } from '#src/app.ts'
import { makeSend, makeUser, startApp, testConfig } from '#test/support/app.ts'
import { startCountingProxy } from '#test/support/counting-proxy.ts'
import { createDatabase, isPostgres } from '#test/support/database.ts'
import { startServer } from '#test/support/processes.ts'
import { shortenTimers } from '#test/support/short-clock.ts'
import { until } from '#test/support/until.ts'
import { startReceiver } from '#test/support/webhooks.ts'

const ASLEEP_MS = 13_000
const WATCHED_MS = 8000
const JWT_ISSUER = 'http://issuer.test'
const skip = isPostgres ? false : 'two processes need a PostgreSQL'

/** Looks at a database from another one, as looking is a transaction as well. */
function watchDatabase(t: Test, databaseUrl: string) {
  const url = new URL(databaseUrl)
  const name = url.pathname.slice(1)
  url.pathname = '/postgres'
  const server = postgres(url.href, { max: 1, onnotice: () => {} })
  t.teardown(() => server.end())
  return {
    transactions: async () =>
      (await server`select xact_commit + xact_rollback as n from pg_stat_database where datname = ${name}`)[0]?.n,
    /** The last statements of the connections that listen: each listens to one channel. */
    listeners: async () =>
      (
        await server`select query from pg_stat_activity
          where datname = ${name} and application_name like '%listen' order by query`
      ).map(({ query }) => query)
  }
}
const [EVENTS, IDENTITY, JOBS] = ['listen "tenon_events"', 'listen "tenon_identity"', 'listen "tenon_jobs"']

t.test('servers without requests send nothing, and after that refuse at once what was revoked', { skip }, async (t) => {
  const { app, database, send, someone } = await startApp(t, { JWT_ISSUER })
  const [admin, user] = [await someone('admin'), await someone()]
  const as = admin.token
  const DATABASE_URL = database.DATABASE_URL as string
  const one = await startServer(t, { DATABASE_URL, JWT_ISSUER })
  const { body: made } = await send('POST', '/api/v1/api-keys', { as, body: { name: 'a', scopes: ['items:read'] } })
  const status = async (token: string) =>
    (await fetch(`${one}/api/v1/items`, { headers: { authorization: `Bearer ${token}` } })).status
  for (const token of [user.token, made.key]) t.equal(await status(token), 200)
  while (!app.identity.principals.isAsleep) await sleep(500)
  await sleep(ASLEEP_MS)

  const { transactions, listeners } = watchDatabase(t, DATABASE_URL)
  const before = await transactions()
  await sleep(WATCHED_MS)
  t.equal(await transactions(), before)
  // The server runs jobs, and sends events to webhooks: notifications wake it. The other listeners sleep.
  t.same(await listeners(), [EVENTS, JOBS])

  await send('DELETE', `/api/v1/api-keys/${made.id}`, { as })
  await send('PATCH', `/api/v1/users/${user.id}`, { as, body: { active: false } })
  for (const token of [made.key, user.token]) t.equal(await status(token), 401)
})

// Ten minutes, in which timers go thirty times as fast.
const TEN_MINUTES = { times: 30, ms: 20_000 }

t.test('with streams, a webhook and jobs, one statement in ten minutes; none with JOBS=off', { skip }, async (t) => {
  const database = await createDatabase(t)
  async function start(JOBS: 'on' | 'off') {
    const { url, count } = await startCountingProxy(t, database.DATABASE_URL as string)
    const overrides = { DATABASE_URL: url, JWT_ISSUER, JOBS, WEBHOOK_ALLOWED_ADDRESSES: '127.0.0.1' }
    const app = await buildApp(testConfig(database, overrides))
    t.teardown(() => app.close())
    return { app, count, address: await app.listen({ host: '127.0.0.1', port: 0 }) }
  }
  const [worker, other] = [await start('on'), await start('off')]
  const { token: as } = await makeUser(other.app, 'admin')
  const send = makeSend(t, other.app)
  const product = (sku: string) =>
    send('POST', '/api/v1/products', { as, body: { sku, name: 'Desk', priceCents: 100, stock: 1 } })
  const receiver = await startReceiver(t)
  await send('POST', '/api/v1/webhooks', { as, body: { url: receiver.origin, events: ['product.*'] } })
  const streams = [await follow(t, worker.address, as), await follow(t, other.address, as)]
  // At night they would be due.
  await worker.app.db.execute(
    sql`update job_common set start_after = now() + interval '12 hours' where state < 'active'`
  )
  shortenTimers(t, TEN_MINUTES.times)
  const arrivesEverywhere = async (sku: string) => {
    await product(sku)
    await until(() => streams.every((stream) => stream.text().includes(sku)))
    await until(() => receiver.seen.some(({ body }) => body.includes(sku)))
  }
  await arrivesEverywhere('BEFORE')
  await until(() => [worker, other].every(({ app }) => app.identity.principals.isAsleep))
  await sleep(1000)

  const before = [worker.count(), other.count()] as const
  const heard = streams.map((stream) => stream.text().length)
  await sleep(TEN_MINUTES.ms)
  t.same([worker.count() - before[0], other.count() - before[1]], [1, 0])
  for (const [at, stream] of streams.entries()) t.ok(stream.text().length > (heard[at] as number), 'it is still open')
  const { listeners } = watchDatabase(t, database.DATABASE_URL as string)
  t.same(await listeners(), [EVENTS, EVENTS, IDENTITY, IDENTITY, JOBS])
  await arrivesEverywhere('AFTER')
})

async function follow(t: Test, address: string, as: string) {
  const abort = new AbortController()
  t.teardown(() => abort.abort())
  const { body } = await fetch(`${address}/api/v1/events/stream`, {
    headers: { authorization: `Bearer ${as}` },
    signal: abort.signal
  })
  let text = ''
  const read = async () => {
    for await (const part of (body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream())) text += part
  }
  read().catch(() => {})
  return { text: () => text }
}
