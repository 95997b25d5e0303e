import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { migrate } from '#src/cli/migrate.ts'
import { openDatabase } from '#src/db/open.ts'
import { findLive, startSession } from '#src/identity/sessions/sessions.ts'
import { RefreshTokens } from '#src/identity/tokens/refresh-tokens.ts'
import { authenticate, createFirstAdmin, type VerifiedUser } from '#src/identity/users.ts'
import { explainFailure } from '#src/process/explain-failure.ts'
import { createDatabase } from '#test/support/database.ts'
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
  t.same(await tenon(['users', 'password']), { code: 2, said: 'tenon: usage: users password <email>\n' })
})

t.test('a database that is up to date is left as it is', async (t) => {
  t.equal(await migrate(env, t.fail), 'The database is up to date.')
})

t.test('a failure that an operator can fix is one line, and any other comes with its stack', async (t) => {
  const fromServer = Object.assign(new Error('column x does not exist'), { code: '42703', severity: 'ERROR' })
  const failed = Object.assign(new Error('migration 0001_x failed', { cause: fromServer }), { name: 'MigrationError' })
  t.equal(explainFailure(failed), 'migration 0001_x failed: 42703, column x does not exist')
  t.equal(explainFailure(fromServer), 'the database cannot be used: 42703, column x does not exist')
  t.match(explainFailure(new Error('ours')), /^ours\n.*at /s)
})
