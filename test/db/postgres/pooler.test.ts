import { eq, sql } from 'drizzle-orm'
import postgres from 'postgres'
import t from 'tap'
import { categories } from '#routes/api/v1/categories/table.ts'
import { buildApp } from '#src/app.ts'
import { runInScope } from '#src/concurrency/request-scope.ts'
import { openDatabase } from '#src/db/open.ts'
import { roles } from '#src/identity/tables/roles.ts'
import { makeSend, makeUser, testConfig } from '#test/support/app.ts'
import { createDatabase, createEmptyDatabase } from '#test/support/database.ts'
import { missingPooler, startPooler } from '#test/support/pooler.ts'
import { startWire } from '#test/support/wire.ts'

const skip = missingPooler()

t.test('behind a pooler statements work as elsewhere, and nothing is heard', async (t) => {
  const { url } = await startWire(t)
  const { db, migrate, listen, close } = await openDatabase({ url: `${url}?pgbouncer=true`, dataDir: '', poolMax: 1 })
  t.teardown(close)
  await migrate()
  t.equal((await db.select().from(roles).where(eq(roles.name, 'admin'))).length, 1)
  await t.rejects(
    listen(
      'news',
      () => {},
      () => {}
    ),
    { code: 'UNAVAILABLE' }
  )
})

t.test('through PgBouncer three migrate at once, and many statements share few connections', { skip }, async (t) => {
  const url = await startPooler(t, await createEmptyDatabase(t), 3)
  const opened = await Promise.all([1, 2, 3].map(() => openDatabase({ url, dataDir: '', poolMax: 8 })))
  t.teardown(() => Promise.all(opened.map((one) => one.close())))
  await Promise.all(opened.map((one) => one.migrate()))
  const read = opened.map(({ db }) =>
    db
      .select()
      .from(roles)
      .where(eq(roles.name, sql.placeholder('name')))
      .prepare('role')
  )
  const work = Array.from({ length: 300 }, async (_, index) => {
    const at = index % 3
    const { db } = opened[at] as (typeof opened)[number]
    if (index % 5 > 0) return read[at]?.execute({ name: 'admin' })
    return db.transaction(async (tx) => {
      await tx.insert(categories).values({ name: `c${index}` })
      return tx
        .select()
        .from(categories)
        .where(eq(categories.name, `c${index}`))
    })
  })
  for (const rows of await Promise.all(work)) t.equal(rows?.length, 1)
  t.equal(await opened[0]?.db.$count(categories), 60)
})

t.test('through PgBouncer a statement is cancelled when its caller leaves', { skip }, async (t) => {
  const { DATABASE_URL, DATA_DIR } = await createDatabase(t)
  const { db, limiter, close } = await openDatabase({
    url: await startPooler(t, DATABASE_URL as string, 2),
    dataDir: DATA_DIR,
    poolMax: 2
  })
  t.teardown(close)
  const direct = postgres(DATABASE_URL as string, { max: 1 })
  t.teardown(() => direct.end())
  const socket = { destroyed: false }
  const sleeping = runInScope({ socket, endsAt: Number.POSITIVE_INFINITY }, async () =>
    db.execute(sql`select pg_sleep(600)`)
  )
  const isAsleep = async () => {
    const [row] = await direct`select count(*)::int as n from pg_stat_activity
      where datname = current_database() and query like '%pg_sleep(600)%' and state = 'active' and pid <> pg_backend_pid()`
    return row?.n === 1
  }
  while (!(await isAsleep()));
  socket.destroyed = true
  await t.rejects(sleeping, { cause: { code: 'DEADLINE_EXCEEDED' } })
  t.notOk(await isAsleep())
  t.same(limiter.load, { running: 0, waiting: 0 })
})

t.test('through PgBouncer the whole application works, and a change is told by looking', { skip }, async (t) => {
  const database = await createDatabase(t)
  const url = await startPooler(t, database.DATABASE_URL as string, 3)
  const start = async () => {
    const app = await buildApp(testConfig({ ...database, DATABASE_URL: url }))
    t.teardown(() => app.close())
    return { app, send: makeSend(t, app) }
  }
  const [one, other] = [await start(), await start()]
  const { token } = await makeUser(one.app, 'admin')
  const body = { name: 'Through' }
  const headers = { 'idempotency-key': 'one' }
  t.equal((await one.send('POST', '/api/v1/categories', { as: token, body, headers })).status, 201)
  const again = await other.send('POST', '/api/v1/categories', { as: token, body, headers })
  t.match(again, { status: 201, headers: { 'idempotency-replayed': 'true' } })
  t.equal((await other.send('GET', '/api/v1/categories?count=exact')).body.page.total, 1)
  t.equal((await one.send('POST', '/api/v1/auth/logout', { as: token })).status, 204)
  const stillIn = async () => (await other.send('GET', '/api/v1/users/me', { as: token })).status === 200
  while (await stillIn()) await new Promise((resolve) => setImmediate(resolve))
})
