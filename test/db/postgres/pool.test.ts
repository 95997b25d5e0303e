import { eq, sql } from 'drizzle-orm'
import postgres from 'postgres'
import t, { type Test } from 'tap'
import { categories } from '#routes/api/v1/categories/table.ts'
import { toApiError } from '#src/db/errors.ts'
import { openDatabase } from '#src/db/open.ts'
import { roles } from '#src/identity/tables/roles.ts'
import { createDatabase, createEmptyDatabase, serverUrl } from '#test/support/database.ts'

const idle = { running: 0, waiting: 0 }
const unavailable = { code: 'UNAVAILABLE', statusCode: 503 }
const poolMax = 3

const answerOf = (statement: PromiseLike<unknown>) =>
  statement.then(
    () => 'an answer',
    (error) => toApiError(error, () => undefined) ?? error
  )

async function open(t: Test) {
  const { DATABASE_URL: url, DATA_DIR: dataDir } = await createDatabase(t)
  const opened = await openDatabase({ url, dataDir, poolMax })
  t.teardown(() => opened.close())
  const admin = postgres(url as string, { max: 1, onnotice: () => {} })
  t.teardown(() => admin.end())
  const ours = admin`pg_stat_activity where datname = current_database() and application_name = 'tenon'`
  return { ...opened, url: url as string, admin, ours }
}

/** Locks the categories against all other readers until it is released. */
async function lockCategories(t: Test, url: string): Promise<() => Promise<unknown>> {
  const holder = postgres(url, { max: 1 })
  t.teardown(() => holder.end())
  await holder`begin`
  await holder`lock table categories`
  return async () => holder`rollback`
}

/** Settles when the server shows this many of our statements waiting for a lock. */
async function haveBlocked(admin: postgres.Sql, count: number): Promise<void> {
  for (;;) {
    const [row] = await admin`select count(*)::int as n from pg_stat_activity
      where datname = current_database() and application_name = 'tenon' and wait_event_type = 'Lock'`
    if (row?.n === count) return
  }
}

t.test(
  'of 300 statements and transactions at once each is answered or refused, and no place stays taken',
  async (t) => {
    const { DATABASE_URL: url, DATA_DIR: dataDir } = await createDatabase(t)
    const { db, limiter, close } = await openDatabase({ url, dataDir, poolMax })
    t.teardown(close)
    const changes = Array.from({ length: 100 }, (_, index) =>
      answerOf(db.transaction((tx) => tx.insert(categories).values({ name: `c${index}` })))
    )
    const reads = Array.from({ length: 200 }, () => answerOf(db.$count(roles)))
    const [changed, read] = await Promise.all([Promise.all(changes), Promise.all(reads)])
    // A machine that is slow at the moment refuses what waits for long.
    for (const refused of [...changed, ...read].filter((answer) => answer !== 'an answer')) {
      t.match(refused, { code: 'OVERLOADED' })
    }
    t.same(limiter.load, idle)
    t.equal(await db.$count(categories), changed.filter((answer) => answer === 'an answer').length)
  }
)

// What only a real server can show: many connections at once, and its ways to end them.
if (serverUrl) {
  t.test('the pool opens no more connections than allowed', async (t) => {
    const { db, admin, ours } = await open(t)
    await Promise.all(Array.from({ length: 20 }, () => db.$count(roles)))
    const [row] = await admin`select count(*)::int as n from ${ours}`
    t.equal(row?.n, poolMax)
  })

  t.test('a full pool refuses what waits too long with OVERLOADED, and goes on afterwards', async (t) => {
    const { db, limiter, admin, url } = await open(t)
    const release = await lockCategories(t, url)
    const held = Array.from({ length: poolMax }, () => db.$count(categories).then(Number))
    await haveBlocked(admin, poolMax)
    t.match(await answerOf(db.$count(roles)), { code: 'OVERLOADED', statusCode: 503 })
    t.same(limiter.load, { running: poolMax, waiting: 0 })
    await release()
    t.same(await Promise.all(held), Array(poolMax).fill(0))
    t.equal(await db.$count(roles), 2)
    t.same(limiter.load, idle)
  })

  t.test('a statement that takes longer than a second goes on, and a long answer comes whole', async (t) => {
    const { db } = await open(t)
    let isOver = false
    const slow = Promise.resolve(db.execute(sql`select repeat('x', 5000000) as x from pg_sleep(1.5)`)).finally(() => {
      isOver = true
    })
    while (!isOver) await db.execute(sql`select 1`)
    const [row] = (await slow) as unknown as { x: string }[]
    t.equal(row?.x.length, 5_000_000)
  })

  t.test('connections that the server ends in the middle are 503s, and nothing of them is kept', async (t) => {
    const { db, limiter, admin, ours, url } = await open(t)
    const release = await lockCategories(t, url)
    const work = [
      db.$count(categories),
      db.transaction(async (tx) => {
        await tx.insert(roles).values({ name: 'half', scopes: [] })
        await tx.insert(categories).values({ name: 'half' })
      })
    ].map(answerOf)
    await haveBlocked(admin, work.length)
    await admin`select pg_terminate_backend(pid) from ${ours}`
    for (const answer of await Promise.all(work)) t.match(answer, unavailable)
    await release()
    t.equal(await db.$count(roles), 2)
    t.same(limiter.load, idle)
  })

  t.test('a transaction is a 503 when its connection is ended between two statements', async (t) => {
    const { db, limiter, admin, ours } = await open(t)
    const change = db.transaction(async (tx) => {
      await tx.insert(roles).values({ name: 'half', scopes: [] })
      await admin`select pg_terminate_backend(pid, 5000) from ${ours}`
      await tx.insert(roles).values({ name: 'other half', scopes: [] })
    })
    t.match(await answerOf(change), unavailable)
    t.equal(await db.$count(roles), 2)
    t.same(limiter.load, idle)
  })

  t.test('a database that takes no connections is a 503, and the first statement after it is answered', async (t) => {
    const { db, limiter, admin, ours } = await open(t)
    const [{ name }] = (await admin`select current_database() as name`) as unknown as [{ name: string }]
    const server = postgres(serverUrl as string, { max: 1 })
    t.teardown(() => server.end())
    await db.$count(roles)
    await server`alter database ${server(name)} allow_connections false`
    await admin`select pg_terminate_backend(pid, 5000) from ${ours}`
    const answers = await Promise.all(Array.from({ length: 10 }, () => answerOf(db.$count(roles))))
    for (const answer of answers) t.match(answer, unavailable)
    await server`alter database ${server(name)} allow_connections true`
    t.equal(await db.$count(roles), 2)
    t.same(limiter.load, idle)
  })

  t.test('two transactions that lock each other out are both done, one of them twice', async (t) => {
    const { db, limiter } = await open(t)
    await db.insert(categories).values([{ name: 'a' }, { name: 'b' }])
    const isLocked = { a: Promise.withResolvers<void>(), b: Promise.withResolvers<void>() }
    let begun = 0
    const rename = (own: 'a' | 'b', other: 'a' | 'b') =>
      db.transaction(async (tx) => {
        begun += 1
        const append = (name: string) =>
          tx
            .update(categories)
            .set({ description: sql`concat(${categories.description}, ${own}::text)` })
            .where(eq(categories.name, name))
        await append(own)
        isLocked[own].resolve()
        await isLocked[other].promise
        await append(other)
      })
    await Promise.all([rename('a', 'b'), rename('b', 'a')])
    const rows = await db.select({ description: categories.description }).from(categories)
    for (const { description } of rows) t.same([...(description as string)].sort(), ['a', 'b'])
    t.ok(begun >= 3, 'the server found a deadlock')
    t.same(limiter.load, idle)
  })

  t.test('three that migrate an empty database at once: one does it, and all find it done', async (t) => {
    const url = await createEmptyDatabase(t)
    const opened = await Promise.all([1, 2, 3].map((poolMax) => openDatabase({ url, dataDir: '', poolMax })))
    await Promise.all(opened.map((one) => one.migrate()))
    for (const { db } of opened) t.equal(await db.$count(roles), 2)
    const client = postgres(url, { max: 1 })
    const applied = await client`select hash from __drizzle_migrations`
    t.equal(applied.length, new Set(applied.map(({ hash }) => hash)).size)
    await client.end()
    await Promise.all(opened.map((one) => one.close()))
  })
}
