import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { sql } from 'drizzle-orm'
import t from 'tap'
import { withDatabase } from '#src/cli/open.ts'
import { program } from '#src/cli/program.ts'
import { findAccount } from '#src/identity/accounts.ts'
import { tryCommand } from '#test/support/command.ts'
import { copyTemplate, createDatabase } from '#test/support/database.ts'

const runIn = (env: NodeJS.ProcessEnv, ...args: string[]) => tryCommand(program, args, env)

t.test('status names what is pending and what is missing, with exit code 1', async (t) => {
  const env = { ...(await createDatabase(t)) }
  const status = async () => JSON.parse((await runIn(env, 'db', 'status', '--json')).said)
  t.match(await runIn(env, 'db', 'status'), {
    isSound: true,
    said: /migrations applied, the last \d{4}_.*\nUp to date\.$/
  })
  t.match(await status(), {
    kind: env.DATABASE_URL ? 'postgres' : 'embedded',
    pending: [],
    missing: [],
    version: /^\d+/
  })

  await withDatabase(env, ({ db }) => db.execute(sql`alter table items drop column description`))
  t.match(await runIn(env, 'db', 'status'), { isSound: false, said: /missing: the column items\.description$/ })
  const last = (await status()).applied.at(-1)
  await withDatabase(env, ({ db }) =>
    db.execute(
      sql`delete from __drizzle_migrations where created_at = (select max(created_at) from __drizzle_migrations)`
    )
  )
  t.match(await runIn(env, 'db', 'status'), { isSound: false, said: new RegExp(`pending: ${last}\ntenon migrate`) })

  t.match(await runIn({ DATA_DIR: join(t.testdir(), 'new') }, 'db', 'status'), {
    isSound: false,
    said: /^.*\n0 migrations applied\npending: 0000_/
  })
})

t.test('a backup of the embedded database is restored elsewhere, and over another one that is kept', async (t) => {
  const { DATA_DIR } = copyTemplate(t)
  const folder = t.testdir()
  const file = join(folder, 'shop.tar.gz')
  const create = (email: string) => runIn({ DATA_DIR }, 'users', 'create', email)
  await create('ada@example.com')
  t.match(await runIn({ DATA_DIR }, 'db', 'backup', file), { said: /has the database of .* MB\.$/ })
  await t.rejects(runIn({ DATA_DIR }, 'db', 'backup', file), { name: 'DataDirectoryError', message: /already/ })

  await create('bob@example.com')
  const other = join(folder, 'data')
  t.match(await runIn({ DATA_DIR: other }, 'db', 'restore', file), { said: /now\.$/ })
  const has = (dir: string, email: string) =>
    withDatabase({ DATA_DIR: dir }, async ({ db }) => (await findAccount(db, email)) !== undefined)
  t.same([await has(other, 'ada@example.com'), await has(other, 'bob@example.com')], [true, false])

  await t.rejects(runIn({ DATA_DIR }, 'db', 'restore', file), { message: /--replace puts it aside$/ })
  t.ok(await has(DATA_DIR, 'bob@example.com'))
  const { said } = await runIn({ DATA_DIR }, 'db', 'restore', file, '--replace')
  t.notOk(await has(DATA_DIR, 'bob@example.com'))
  const [, aside] = /the one before is (\S+)\.$/.exec(said) ?? []
  t.equal(readFileSync(join(aside as string, 'PG_VERSION'), 'utf8').trim().length > 0, true)
})

t.test('backup and restore: what is refused leaves nothing behind', async (t) => {
  const { DATA_DIR } = copyTemplate(t)
  const folder = t.testdir({ 'text.tar.gz': 'no archive', strange: { pglite: { other: '' } } })
  const empty = join(folder, 'data')
  await t.rejects(runIn({ DATA_DIR: empty }, 'db', 'backup', join(folder, 'x')), {
    message: /has no embedded database$/
  })
  await t.rejects(runIn({ DATA_DIR }, 'db', 'backup', join(folder, 'no/such/x')), { message: /^tar failed: / })
  await t.rejects(runIn({ DATA_DIR: empty }, 'db', 'restore', join(folder, 'text.tar.gz')), {
    message: /^tar failed: /
  })
  await t.rejects(runIn({ DATA_DIR: empty }, 'db', 'restore', join(folder, 'missing')), {
    message: /^tar failed: /
  })
  const strange = join(folder, 'strange')
  execFileSync('tar', ['-czf', join(folder, 'strange.tar.gz'), '-C', strange, 'pglite'])
  await t.rejects(runIn({ DATA_DIR: empty }, 'db', 'restore', join(folder, 'strange.tar.gz')), {
    message: /is no backup/
  })
  t.notOk(existsSync(join(empty, 'restore.unfinished')))
  t.notOk(existsSync(join(empty, 'pglite')))
  await withDatabase({ DATA_DIR }, async () => {
    await t.rejects(runIn({ DATA_DIR }, 'db', 'backup', join(folder, 'y')), { name: 'DirectoryInUseError' })
  })
  const DATABASE_URL = 'postgres://127.0.0.1/x'
  await t.rejects(runIn({ DATABASE_URL }, 'db', 'backup', 'x'), { name: 'MisuseError', message: /take pg_dump$/ })
  await t.rejects(runIn({ DATABASE_URL }, 'db', 'restore', 'x'), { name: 'MisuseError', message: /take pg_restore$/ })
})
