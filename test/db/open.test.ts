import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'drizzle-orm'
import t, { type Test } from 'tap'
import { products } from '#routes/api/v1/products/table.ts'
import type { Database } from '#src/db/database.ts'
import { openDatabase } from '#src/db/open.ts'
import { queryPlan } from '#src/db/plan.ts'
import { roles } from '#src/identity/tables/roles.ts'
import { users } from '#src/identity/tables/users.ts'
import { copyTemplate, createDatabase } from '#test/support/database.ts'
import { startServer, startWire } from '#test/support/wire.ts'

const idle = { running: 0, waiting: 0 }

function directory(t: Test): string {
  const made = mkdtempSync(join(tmpdir(), 'tenon-open-'))
  t.teardown(() => rmSync(made, { recursive: true }))
  return made
}

async function zone(db: Database): Promise<unknown> {
  const [row] = await db.select({ zone: sql`current_setting('TimeZone')` }).from(roles).limit(1)
  return row?.zone
}

t.test('the embedded database keeps what it was given, and only one may have it open', async (t) => {
  const dataDir = directory(t)
  const options = { dataDir, poolMax: 3 }
  const first = await openDatabase(options)
  t.equal(first.kind, 'embedded')
  await first.migrate()
  await first.migrate()
  await t.rejects(openDatabase(options), { name: 'DirectoryInUseError', message: `process ${process.pid}` })
  await first.db.insert(roles).values({ name: 'clerk', scopes: ['products:read', 'a "quoted" scope'] })
  await first.close()

  const second = await openDatabase(options)
  const [clerk] = await second.db.select().from(roles).where(sql`name = 'clerk'`)
  t.match(clerk, { name: 'clerk', scopes: ['products:read', 'a "quoted" scope'] })
  t.equal(await zone(second.db), 'UTC')
  await second.ping()
  t.same(second.limiter.load, idle)
  await second.close()
})

t.test('an embedded database that cannot be opened gives its directory back', async (t) => {
  const dataDir = directory(t)
  mkdirSync(join(dataDir, 'pglite'))
  writeFileSync(join(dataDir, 'pglite', 'PG_VERSION'), 'no version')
  const options = { dataDir, poolMax: 1 }
  await t.rejects(openDatabase(options), {
    name: 'DataDirectoryError',
    message: /pglite \(of an unknown version\) cannot be opened: restore it from a backup, or move it away to begin/
  })
  writeFileSync(join(dataDir, 'pglite', 'PG_VERSION'), '17')
  await t.rejects(openDatabase(options), { message: /pglite \(of PostgreSQL 17\) cannot be opened/ })
  rmSync(join(dataDir, 'pglite', 'PG_VERSION'))
  writeFileSync(join(dataDir, 'pglite', 'postgresql.conf'), '')
  await t.rejects(openDatabase(options), { message: /of an unknown version/ })
  rmSync(join(dataDir, 'pglite'), { recursive: true })
  mkdirSync(join(dataDir, 'pglite'))
  const opened = await openDatabase(options)
  await opened.close()
})

t.test('a disk that becomes full refuses writes, names itself, and takes them when there is room again', async (t) => {
  const { DATA_DIR: dataDir } = copyTemplate(t)
  let free = 1e9
  const options = { dataDir, poolMax: 1, freeBytes: () => free }
  const { db, close } = await openDatabase(options)
  const role = (name: string) => ({ name, scopes: [] })
  await db.insert(roles).values(role('one'))
  free = 12e6
  // A write that changes nothing, so that it does not matter which one is the first to be refused.
  const isNoticed = () =>
    db
      .update(roles)
      .set({ scopes: [] })
      .where(sql`name = 'one'`)
      .then(
        () => false,
        () => true
      )
  while (!(await isNoticed()));
  const cause = {
    code: 'UNAVAILABLE',
    cause: { message: `the disk of ${dataDir} has 11 MB left, and the embedded database needs 64 MB to write` }
  }
  await t.rejects(db.insert(roles).values(role('two')), { cause })
  await t.rejects(
    db.transaction(async (tx) => {
      await tx.select().from(roles)
      await tx.insert(roles).values(role('two'))
    }),
    { cause }
  )
  t.equal(await db.$count(roles), 3, 'reads go on')
  free = 1e9
  await db.insert(roles).values(role('two'))
  await close()
  free = 0
  await t.rejects(openDatabase(options), { name: 'DataDirectoryError', message: /has 0 MB left/ })
})

t.test('a server that is given by its URL is used, migrated once', async (t) => {
  const { url } = await startWire(t)
  const opened = await openDatabase({ url, dataDir: '', poolMax: 1 })
  t.equal(opened.kind, 'postgres')
  await opened.migrate()
  await opened.migrate()
  await opened.ping()
  t.equal(await opened.db.$count(roles), 2)
  t.equal(await opened.bulkLoad(({ tx }) => tx.$count(roles)), 2)
  t.equal(await zone(opened.db), 'UTC')
  // What PostgreSQL remarks on is not printed.
  await opened.db.execute(sql`drop table if exists nothing`)
  t.match(await queryPlan(opened.db, sql`select * from ${products}`), { 'Plan Rows': Number })
  t.same(opened.limiter.load, idle)
  await opened.close()
  await t.rejects(opened.ping())
})

t.test('plans, transactions and moments are the same on whichever database the suite runs', async (t) => {
  const { DATABASE_URL: url, DATA_DIR: dataDir } = await createDatabase(t)
  const opened = await openDatabase({ url, dataDir, poolMax: 2 })
  t.teardown(() => opened.close())
  t.match(await queryPlan(opened.db, sql`select * from ${products} where sku = ${'x'}`), { 'Plan Rows': 1 })
  const undone = opened.db.transaction(async (tx) => {
    await tx.delete(roles)
    tx.rollback()
  })
  await t.rejects(undone, { message: 'Rollback' })
  t.equal(await opened.db.$count(roles), 2)
  const user = { email: 'a@example.com', name: 'A', passwordHash: 'x', role: 'member', active: true }
  const [made] = await opened.db
    .insert(users)
    .values({ ...user, createdAt: '2026-01-31T09:30:00.5+02:00' })
    .returning({ createdAt: users.createdAt })
  t.equal(made?.createdAt, '2026-01-31T07:30:00.500Z')
})

t.test('a listener receives the notifications of its channel until it is closed', async (t) => {
  const { DATABASE_URL: url, DATA_DIR: dataDir } = await createDatabase(t)
  const opened = await openDatabase({ url, dataDir, poolMax: 2 })
  t.teardown(() => opened.close())
  const heard = Promise.withResolvers<string>()
  const listener = await opened.listen('news', heard.resolve, () => {})
  await opened.db.execute(sql`select pg_notify('news', 'something')`)
  t.equal(await heard.promise, 'something')
  await listener.close()
})

t.test('listening to a server is given up when it closes every connection', async (t) => {
  const wire = await startWire(t)
  const opened = await openDatabase({ url: wire.url, dataDir: '', poolMax: 1 })
  const listener = await opened.listen(
    'news',
    () => {},
    () => {}
  )
  await listener.close()
  await opened.close()
  const broken = await startServer(t, (socket) => socket.destroy())
  const { listen, close } = await openDatabase({ url: broken.url, dataDir: '', poolMax: 1 })
  t.teardown(close)
  await t.rejects(
    listen(
      'news',
      () => {},
      () => {}
    ),
    { code: 'UNAVAILABLE' }
  )
})
