import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import t from 'tap'
import { buildApp } from '#src/app.ts'
import { migrate } from '#src/cli/migrate.ts'
import type { Database } from '#src/db/database.ts'
import { openDatabase } from '#src/db/open.ts'
import { selectRaw } from '#src/db/rows.ts'
import { ApiError, validationFailed } from '#src/errors.ts'
import { findLive, startSession } from '#src/identity/sessions/sessions.ts'
import { RefreshTokens } from '#src/identity/tokens/refresh-tokens.ts'
import { authenticate, createFirstAdmin, type VerifiedUser } from '#src/identity/users.ts'
import { explainFailure } from '#src/process/explain-failure.ts'
import { testConfig } from '#test/support/app.ts'
import { createDatabase, isPostgres } from '#test/support/database.ts'
import { tenon } from '#test/support/tenon.ts'

const { DATABASE_URL = '', DATA_DIR } = await createDatabase(t)
const env = { DATABASE_URL, DATA_DIR }
const open = () => openDatabase({ url: DATABASE_URL, dataDir: DATA_DIR, poolMax: 2 })
const LOST = 'a forgotten password'

t.test('a lost password is replaced, and every login of the user ends', async (t) => {
  const first = await open()
  await createFirstAdmin(first.db, 'root@example.com', LOST)
  const user = await authenticate(first.db, 'root@example.com', LOST)
  const origin = { userAgent: null, ip: null, clientId: null }
  const login = await startSession(first.db, new RefreshTokens(Buffer.alloc(32)), user as VerifiedUser, origin)
  await first.close()

  // From a folder with a name that must be encoded in a URL: tables, migrations and modules are found there too.
  const root = join(t.testdir(), 'a ü #1 100% b')
  symlinkSync(join(import.meta.dirname, '../..'), root)
  for (const from of [{ root }, {}]) {
    t.match(await tenon(['users', 'password', 'nobody@example.com'], { env, ...from }), {
      code: 1,
      said: 'tenon: there is no user with this e-mail\n'
    })
  }
  const { code, said } = await tenon(['users', 'password', ' Root@Example.com '], { env })
  t.equal(code, 0)
  const [, password] = /^password: (\S{20}) {2}\(shown once; every login of the user has ended\)\n$/.exec(said) ?? []
  const second = await open()
  t.teardown(() => second.close())
  t.ok(await authenticate(second.db, 'root@example.com', password as string))
  t.notOk(await authenticate(second.db, 'root@example.com', LOST))
  t.notOk(await findLive(second.db, login?.id as string))
})

t.test('migrate succeeds with nothing pending; an obstacle is one line, and misuse another exit code', async (t) => {
  t.same(await tenon(['migrate'], { env: { ...env, DATA_DIR: t.testdir() } }).then(({ code }) => code), 0)
  t.same(await tenon(['migrate'], { env: { ...env, PORT: 'x' } }), {
    code: 1,
    said: 'tenon: PORT must be a whole number from 0 to 65535\n'
  })
  t.same(await tenon(['users', 'password']), { code: 2, said: "tenon: missing required argument 'email'\n" })
})

t.test('a database that is up to date is left as it is', async (t) => {
  t.equal(await migrate(env, t.fail), 'The database is up to date.')
})

t.test('migrate makes the triggers of a new resource, and a start without migrations names it', async (t) => {
  const database = await createDatabase(t)
  const own = { ...env, ...database }
  const triggers = async (work: (db: Database) => Promise<unknown> = async () => {}) => {
    const { db, close } = await openDatabase({ url: own.DATABASE_URL, dataDir: own.DATA_DIR as string, poolMax: 1 })
    await work(db)
    const rows = await selectRaw<{ name: string }>(
      db,
      sql`select tgname as name from pg_trigger where tgrelid = 'items'::regclass and not tgisinternal order by 1`
    )
    await close()
    return rows.map(({ name }) => name)
  }
  const all = await triggers()
  const none = await triggers(async (db) => {
    for (const name of all) await db.execute(sql`drop trigger ${sql.identifier(name)} on items`)
  })
  t.same(none, [])
  const lines: string[] = []
  const app = await buildApp(testConfig(database, { LOG_LEVEL: 'warn' }), {
    log: { write: (line) => lines.push(line) > 0 }
  })
  await app.close()
  for (const what of ['versions', 'events'])
    t.match(lines.join(''), new RegExp(`${what}: .*'items'.*npm run migrate makes`))
  t.equal(await migrate(own, t.fail), 'The database is up to date.')
  t.same(await triggers(), all)
})

t.test('migrate says what its triggers wait for', { skip: !isPostgres && 'needs a PostgreSQL' }, async (t) => {
  const database = await createDatabase(t)
  const { db, close } = await openDatabase({ url: database.DATABASE_URL, dataDir: '', poolMax: 2 })
  t.teardown(close)
  await db.execute(sql`drop trigger tenon_raise_version on items`)
  const said: string[] = []
  let done: Promise<string> | undefined
  await db.transaction(async (tx) => {
    await tx.execute(sql`lock table items in share row exclusive mode`)
    done = migrate({ ...env, ...database }, (line) => said.push(line))
    while (said.length === 0) await sleep(50)
  })
  t.equal(await done, 'The database is up to date.')
  t.match(said[0], /^the triggers of row versions: process \d+ \(tenon\)/)
})

t.test('a failure that an operator can fix is one line, and any other comes with its stack', async (t) => {
  const fromServer = Object.assign(new Error('column x does not exist'), { code: '42703', severity: 'ERROR' })
  const failed = Object.assign(new Error('migration 0001_x failed', { cause: fromServer }), { name: 'MigrationError' })
  t.equal(explainFailure(failed), 'migration 0001_x failed: 42703, column x does not exist')
  t.equal(explainFailure(fromServer), 'the database cannot be used: 42703, column x does not exist')
  const refused = validationFailed([{ in: 'body', path: '/email', code: 'reserved', message: 'is reserved' }])
  t.equal(explainFailure(refused), '1 field was refused. email is reserved')
  t.match(explainFailure(new ApiError('INTERNAL')), /INTERNAL|inside|\n.*at /s)
  t.match(explainFailure(new Error('ours')), /^ours\n.*at /s)
})
