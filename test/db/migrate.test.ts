import { sql } from 'drizzle-orm'
import { integer, pgTable, text } from 'drizzle-orm/pg-core'
import postgres from 'postgres'
import t from 'tap'
import { alterTables } from '#src/db/alter-tables.ts'
import type { Database } from '#src/db/database.ts'
import { assertTablesExist, missingFrom } from '#src/db/declared-tables.ts'
import { toApiError } from '#src/db/errors.ts'
import { migratePostgres, readPending, reportTo } from '#src/db/migrate.ts'
import { openDatabase } from '#src/db/open.ts'
import { Primary } from '#src/db/postgres/primary.ts'
import { readDatabaseUrl } from '#src/db/postgres/url.ts'
import { copyTemplate, createDatabase, createEmptyDatabase, isPostgres, serverUrl } from '#test/support/database.ts'
import { startServer } from '#test/support/wire.ts'

const skip = !isPostgres && 'needs a PostgreSQL'
const primaryOf = (url: string) => new Primary(readDatabaseUrl(url))
const answerOf = (migrated: Promise<unknown>) => migrated.catch((error) => toApiError(error, () => undefined) ?? error)

for (const [does, meet] of [
  ['closes every connection', (socket: { destroy(): void }) => socket.destroy()],
  ['never answers', () => {}]
] as const) {
  t.test(`a server that ${does} is given up in time`, async (t) => {
    const { url } = await startServer(t, meet)
    t.match(await answerOf(migratePostgres(primaryOf(url), {}, { connectMs: 300 })), { code: 'UNAVAILABLE' })
  })
}

t.test('a server that refuses connections is given up at once', async (t) => {
  const { url, stop } = await startServer(t, () => {})
  await stop()
  t.match(await answerOf(migratePostgres(primaryOf(url))), { code: 'UNAVAILABLE' })
})

t.test('migrations are applied once, told before, and a start without them names the command', async (t) => {
  const dataDir = t.testdir()
  const database = await openDatabase({ dataDir, poolMax: 1 })
  t.teardown(() => database.close())
  await t.rejects(assertTablesExist(database.db), {
    name: 'MissingTablesError',
    message:
      /^the database lacks the table \w+, .* and \d+ more; npm run migrate applies the \d+ migrations that are pending$/
  })
  const said: string[] = []
  const pending = await readPending(database.db)
  t.same(await database.migrate(reportTo({ info: (line) => said.push(line), warn: t.fail })), pending)
  t.same(said, [`applying ${pending.length} migrations: ${pending.join(', ')}`])
  t.same(await database.migrate(), [])
  await assertTablesExist(database.db)

  await database.db.execute(sql`alter table products drop column description cascade`)
  await t.rejects(assertTablesExist(database.db), {
    message:
      /^the database lacks the column products\.description; no migration makes it: npm run migration <name> writes one, npm run migrate applies it$/
  })
})

t.test('a journal of drizzle’s own migrator is gone on with; a migration that fails is named', async (t) => {
  const database = await openDatabase({ dataDir: copyTemplate(t).DATA_DIR, poolMax: 1 })
  t.teardown(() => database.close())
  const { db, migrate } = database
  await db.execute(sql`create schema if not exists drizzle`)
  await db.execute(sql`alter table if exists public.__drizzle_migrations set schema drizzle`)
  t.same(await readPending(db), [])
  await db.execute(sql`delete from drizzle.__drizzle_migrations where id = 1`)
  t.same(await readPending(db), ['0000_foundation'])
  await t.rejects(migrate(), {
    name: 'MigrationError',
    message: 'migration 0000_foundation failed, and none was applied',
    cause: { cause: { code: '42P07' } }
  })
})

t.test('a table is missing whole, or by its columns', async (t) => {
  const shelves = pgTable('shelves', { id: integer('id'), label: text('shelf_label') })
  t.same(missingFrom([shelves], new Map()), ['the table shelves'])
  t.same(missingFrom([shelves], new Map([['shelves', new Set(['id'])]])), ['the column shelves.shelf_label'])
  t.same(missingFrom([shelves], new Map([['shelves', new Set(['id', 'shelf_label', 'more'])]])), [])
})

t.test('a lock that is not given in time is let go, and the next attempt says what it waits for', async (t) => {
  const timeout = Object.assign(new Error('canceling statement due to lock timeout'), {
    code: '55P03',
    severity: 'ERROR'
  })
  const reader = { pid: 7, name: 'a reader', query: "select *\nfrom items where title = 'x'", seconds: null }
  const other = { pid: 8, name: '', query: '', seconds: 3 }
  // What each look finds: nothing, a failure, twice the same process, and another one.
  const found = [[], timeout, [reader], [reader], [other]]
  let attempts = 0
  // The embedded database has one connection, so no statement of it waits for another.
  const db = {
    async execute() {
      const rows = found.shift() ?? []
      if (rows instanceof Error) throw rows
      return rows
    },
    async transaction(work: (tx: unknown) => Promise<unknown>) {
      attempts += 1
      if (attempts === 1) throw timeout
      return work({ execute: async () => [{ pid: 1 }] })
    }
  } as unknown as Database
  const lines: string[] = []
  const isTold = Promise.withResolvers<void>()
  const warn = (line: string) => {
    lines.push(line)
    if (lines.length === 2) isTold.resolve()
  }
  const { onWait } = reportTo({ info: t.fail, warn })
  const work = () => isTold.promise.then(() => 'done')
  t.equal(await alterTables(db, work, onWait, { lockMs: 4, pauseMs: 1 }), 'done')
  t.equal(attempts, 2)
  t.same(lines, [
    'the migrations wait for process 7 (a reader), in a transaction for 0 s: select *\nfrom items where title =',
    'the migrations wait for process 8, in a transaction for 3 s'
  ])
  const fault = Object.assign(new Error('no such table'), { code: '42P01', severity: 'ERROR' })
  await t.rejects(
    alterTables(db, () => Promise.reject(fault), undefined, { lockMs: 4, pauseMs: 1 }),
    fault,
    'any other error is not tried again'
  )
  t.equal(attempts, 3)
})

t.test(
  'a migration that waits for a reader lets others pass, says what it waits for, and is done at last',
  { skip },
  async (t) => {
    const { DATABASE_URL } = await createDatabase(t)
    const url = DATABASE_URL as string
    const reader = postgres(url, { max: 1, connection: { application_name: 'a slow reader' } })
    const admin = postgres(url, { max: 1 })
    t.teardown(() => Promise.all([reader.end(), admin.end()]))
    // The last migration that alters a table is made pending again by a table of its own.
    const { db, close } = await openDatabase({ url, dataDir: '', poolMax: 3 })
    t.teardown(close)
    const reading = reader.reserve()
    const held = await reading
    await held`begin`
    await held`select count(*) from categories where name <> 'canary'`
    const lines: string[] = []
    const waits = Promise.withResolvers<void>()
    const altered = alterTables(
      db,
      (tx) => tx.execute(sql`alter table categories add column shelf text`),
      (reason) => {
        lines.push(reason)
        waits.resolve()
      },
      { lockMs: 400, pauseMs: 50 }
    )
    await waits.promise
    const startedAt = performance.now()
    await admin`select count(*) from categories`
    t.ok(performance.now() - startedAt < 2000, 'others are served meanwhile')
    await held`rollback`
    held.release()
    await altered
    t.equal(lines.length, 1, 'said once')
    t.match(
      lines[0],
      /^process \d+ \(a slow reader\), in a transaction for \d+ s: select count\(\*\) from categories where name <>$/
    )
  }
)

t.test('a role that may create in public only is enough', { skip }, async (t) => {
  const url = new URL(await createEmptyDatabase(t))
  const admin = postgres(url.href, { max: 1, onnotice: () => {} })
  const role = `tenon_limited_${process.pid}`
  const name = url.pathname.slice(1)
  await admin`create role ${admin(role)} login password 'x'`
  await admin`revoke all on database ${admin(name)} from public`
  await admin`grant connect on database ${admin(name)} to ${admin(role)}`
  await admin`grant create, usage on schema public to ${admin(role)}`
  t.teardown(async () => {
    await admin`drop owned by ${admin(role)}`
    await admin`drop role ${admin(role)}`
    await admin.end()
  })
  url.username = role
  url.password = 'x'
  const { migrate, db, close } = await openDatabase({ url: url.href, dataDir: '', poolMax: 2 })
  t.teardown(close)
  t.ok((await migrate()).length > 0)
  await assertTablesExist(db)
  t.ok(serverUrl)
})
