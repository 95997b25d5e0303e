import { sql } from 'drizzle-orm'
import t, { type Test } from 'tap'
import { runUncancellable } from '#src/concurrency/request-scope.ts'
import { startApp, type TestApp } from '#test/support/app.ts'

const tiers = JSON.stringify({ till: { windows: [{ limit: 3000, seconds: 60 }], priority: 'critical' } })
const path = '/api/v1/categories'

/** Keeps the database busy, with statements that wait until it is released. */
async function occupy(t: Test, { app }: TestApp) {
  const { promise, resolve } = Promise.withResolvers<void>()
  const begun = Promise.withResolvers<void>()
  const work: Promise<unknown>[] = [
    app.db.transaction(() => {
      begun.resolve()
      return promise
    })
  ]
  await begun.promise
  const release = async () => {
    resolve()
    await Promise.all(work)
  }
  t.teardown(release)
  async function waiting(count: number): Promise<void> {
    // Statements that are never refused, however long they wait.
    while (app.databaseLoad().waiting < count) {
      const missing = count - app.databaseLoad().waiting
      const statement = () => runUncancellable(async () => await app.db.execute(sql`select 1`))
      work.push(...Array.from({ length: missing }, statement))
      await new Promise((done) => setImmediate(done))
    }
  }
  return { waiting, release }
}

const refused = {
  status: 503,
  headers: { 'retry-after': /^[1-9]\d?$/ },
  body: { error: { code: 'OVERLOADED' } }
}

t.test(
  'the higher the load, the more is refused: batches, then the rest, then critical keys, never health',
  async (t) => {
    const started = await startApp(t, { DATABASE_POOL_MAX: '1', RATE_LIMIT_TIERS: tiers })
    const { send, someone } = started
    const admin = await someone('admin')
    const makeKey = async (tier: string) => {
      const body = { name: tier, scopes: ['categories:read'], tier }
      const { key } = (await send('POST', '/api/v1/api-keys', { as: admin.token, body })).body
      const headers = { 'x-api-key': key }
      t.equal((await send('GET', path, { headers })).status, 200)
      return headers
    }
    const [till, other] = [await makeKey('till'), await makeKey('high')]
    const { waiting, release } = await occupy(t, started)

    await waiting(500)
    for (const url of [`${path}/export`, `${path}/import`, `${path}/bulk`]) {
      const answer = await send(url.endsWith('export') ? 'GET' : 'POST', url, { as: admin.token })
      t.match(answer, refused, url)
      t.notOk('ratelimit' in answer.headers, 'nobody is charged')
    }
    const admitted = [send('GET', path)]
    await waiting(800)
    t.match(await send('GET', path), refused)
    t.match(
      await send('GET', path, { headers: { authorization: 'Bearer nonsense' } }),
      refused,
      'before any credential'
    )
    t.match(await send('GET', path, { headers: other }), refused)
    const token = await send('POST', '/oauth/token', { headers: other })
    t.match(token, { status: 503, headers: refused.headers, body: { error: 'temporarily_unavailable' } })
    admitted.push(send('GET', path, { headers: till }))
    admitted.push(send('GET', `${path}/export`, { headers: { authorization: `Bearer ${till['x-api-key']}` } }))
    await waiting(1000)
    t.match(await send('GET', path, { headers: till }), refused)
    for (const url of ['/livez', '/metrics']) t.equal((await send('GET', url)).status, 200, url)

    await release()
    // A slow machine refuses requests that waited for long.
    for (const { status, body } of await Promise.all(admitted)) t.ok(status === 200 || body.error.code === 'OVERLOADED')
    t.equal((await send('GET', `${path}/export`)).status, 200)
  }
)

t.test('without a critical tier keys are as other requests', async (t) => {
  const started = await startApp(t, { DATABASE_POOL_MAX: '1' })
  const { waiting } = await occupy(t, started)
  await waiting(800)
  t.match(await started.send('GET', path, { headers: { 'x-api-key': 'tn_live_nonsense' } }), refused)
})
