import { once } from 'node:events'
import { connect } from 'node:net'
import postgres from 'postgres'
import t, { type Test } from 'tap'
import type { AppOptions } from '#src/app.ts'
import { type Answered, startApp } from '#test/support/app.ts'
import { isPostgres } from '#test/support/database.ts'
import { fixtures } from '#test/support/fixtures.ts'

const path = '/api/v1/categories'
const late = { status: 503, headers: { 'retry-after': '1' }, body: { error: { code: 'DEADLINE_EXCEEDED' } } }

/** Keeps the only place in the limiter taken, until it is released. */
async function takeDatabase(t: Test, options?: AppOptions) {
  const started = await startApp(t, { DATABASE_POOL_MAX: '1' }, options)
  const { token } = await started.someone()
  const { promise, resolve: release } = Promise.withResolvers<void>()
  const begun = Promise.withResolvers<void>()
  const held = started.app.db.transaction(() => {
    begun.resolve()
    return promise
  })
  await begun.promise
  const end = () => {
    release()
    return held
  }
  t.teardown(end)
  return { ...started, token, end }
}

t.test('a deadline that passes while a statement waits for its turn is a 503 that says so', async (t) => {
  const { send, end } = await takeDatabase(t)
  t.match(await send('GET', path, { headers: { 'request-timeout': '0.05' } }), late)
  await end()
  t.equal((await send('GET', path, { headers: { 'request-timeout': '60' } })).status, 200)
})

t.test('a route gives its requests no more time than it declares', async (t) => {
  const { send, end } = await takeDatabase(t, fixtures)
  t.match(await send('GET', '/api/v1/hasty'), late)
  t.match(await send('GET', '/api/v1/hasty', { headers: { 'request-timeout': '60' } }), late)
  await end()
  t.equal((await send('GET', '/api/v1/hasty')).status, 200)
})

t.test('a request waits for its authentication until its deadline, and no longer', async (t) => {
  const { send, token, end } = await takeDatabase(t, fixtures)
  const get = (path: string, headers?: Record<string, string>) =>
    send('GET', path, { as: token, ...(headers && { headers }) })
  const hurried = get('/api/v1/partly', { 'request-timeout': '0.05' })
  const byRoute = get('/api/v1/hasty')
  const patient = get('/api/v1/partly')
  t.match(await hurried, late)
  t.match(await byRoute, late, 'the time of a route counts as well')
  await end()
  t.equal((await patient).status, 200)
})

t.test('a resource gives time to operations that it has', async (t) => {
  const { app } = await startApp(t, {}, fixtures)
  const timeouts = app.routeTable.flatMap(({ method, url, config }) =>
    config?.timeoutSeconds === undefined ? [] : [`${method} ${url} ${config.timeoutSeconds}`]
  )
  t.same(timeouts, ['GET /api/v1/hasty 0.3', 'HEAD /api/v1/hasty 0.3', 'POST /api/v1/hasty 0.3'])
  const { paths } = app.swagger() as unknown as { paths: Record<string, { get: { parameters: object[] } }> }
  t.match(paths['/api/v1/hasty']?.get.parameters.at(-1), { name: 'request-timeout', description: /At most 0.3, / })
  t.match(paths['/api/v1/hasty/{id}']?.get.parameters.at(-1), { description: /limits of the server hold/ })
})

t.test('a value that is no number of seconds is a 422 that names the header', async (t) => {
  const { send, someone } = await startApp(t)
  const { token } = await someone()
  t.equal((await send('GET', path, { as: token, headers: { 'request-timeout': 'soon' } })).status, 422, 'not seen yet')
  for (const given of ['', 'soon', '-1', '0', '0.0', '1e3', '1,5', 'Infinity', '1 s', '1'.repeat(20)]) {
    const answer = await send('GET', path, { headers: { 'request-timeout': given } })
    t.match(answer, { status: 422, body: { details: [{ in: 'headers', path: '/request-timeout' }] } }, given)
  }
  t.equal((await send('GET', '/livez', { headers: { 'request-timeout': '0.001' } })).status, 200, 'it was in time')
})

/** Requests the list on a connection of its own, which can be closed. */
async function ask(t: Test, app: Awaited<ReturnType<typeof startApp>>['app']) {
  await app.listen({ host: '127.0.0.1', port: 0 })
  const socket = connect((app.server.address() as { port: number }).port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  await once(socket, 'connect')
  socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`)
  return socket
}

async function until(isTrue: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isTrue())) await new Promise((resolve) => setImmediate(resolve))
}

t.test('a client that leaves while it waits frees its turn', async (t) => {
  const { app } = await takeDatabase(t)
  const socket = await ask(t, app)
  await until(() => app.databaseLoad().waiting === 1)
  socket.destroy()
  await until(() => app.databaseLoad().waiting === 0)
  t.equal(app.databaseLoad().running, 1)
})

/** Locks the table of categories. Gives the number of statements that wait for it. */
async function lockCategories(t: Test, url: string) {
  const outside = postgres(url, { max: 2 })
  t.teardown(() => outside.end())
  const held = await outside.reserve()
  await held`begin`
  await held`lock table categories`
  const blocked = async () => {
    const [row] = await outside`select count(*)::int as n from pg_stat_activity
      where datname = current_database() and application_name = 'tenon' and wait_event_type = 'Lock'`
    return row?.n as number
  }
  const unlock = async () => {
    await held`rollback`
    held.release()
  }
  return { blocked, unlock }
}

t.test('on PostgreSQL the statement itself is cancelled', { skip: !isPostgres && 'needs a PostgreSQL' }, async (t) => {
  const { app, send, someone, database } = await startApp(t)
  const admin = await someone('admin')
  const { token } = await someone()
  const { blocked, unlock } = await lockCategories(t, database.DATABASE_URL as string)

  t.match(await send('GET', path, { as: token, headers: { 'request-timeout': '0.3' } }), late)
  await until(async () => (await blocked()) === 0)

  const key = { 'idempotency-key': 'late' }
  const body = { name: 'Late' }
  const change = await send('POST', path, { as: admin.token, body, headers: { ...key, 'request-timeout': '0.3' } })
  t.match(change, late)
  await until(async () => (await blocked()) === 0)

  const socket = await ask(t, app)
  await until(async () => (await blocked()) === 1)
  socket.destroy()
  await until(async () => (await blocked()) === 0)
  await until(() => app.databaseLoad().running === 0)
  await unlock()
  t.equal((await send('GET', path)).body.data.length, 0, 'nothing of the change was kept')
  t.equal((await send('POST', path, { as: admin.token, body, headers: key })).status, 201, 'the key is free again')
})

t.test(
  'shared statements end with the time of their route',
  { skip: !isPostgres && 'needs a PostgreSQL' },
  async (t) => {
    const { send, someone, database, app } = await startApp(t, {}, fixtures)
    const { token } = await someone('admin')
    t.equal((await send('GET', '/api/v1/hasty', { as: token })).status, 200)
    const { blocked, unlock } = await lockCategories(t, database.DATABASE_URL as string)

    const reads = [1, 2, 3].map(() => send('GET', '/api/v1/hasty', { as: token }))
    await until(async () => (await blocked()) > 0)
    if (app.batches) t.equal(await blocked(), 1, 'one statement for all of them')
    for (const read of reads) t.match(await read, late)
    await until(async () => (await blocked()) === 0)

    const create = (name: string) => send('POST', '/api/v1/hasty', { as: token, body: { name } })
    const creates = ['a', 'b', 'c'].map(create)
    await until(async () => (await blocked()) === 3)
    for (const one of creates) t.match(await one, late)
    await until(async () => (await blocked()) === 0)

    await unlock()
    t.same((await send('GET', '/api/v1/hasty')).body.data, [], 'nothing was kept')
    const made: Answered[] = await Promise.all(['a', 'b', 'c'].map(create))
    t.same(
      made.map(({ status }) => status),
      [201, 201, 201]
    )
  }
)
