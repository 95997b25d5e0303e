import { setTimeout as sleep } from 'node:timers/promises'
import postgres from 'postgres'
import t from 'tap'
import { startApp } from '#test/support/app.ts'
import { isPostgres } from '#test/support/database.ts'
import { startServer } from '#test/support/processes.ts'

const ASLEEP_MS = 13_000
const WATCHED_MS = 8000
const skip = isPostgres ? false : 'two processes need a PostgreSQL'

t.test('servers without requests send nothing, and after that refuse at once what was revoked', { skip }, async (t) => {
  const JWT_ISSUER = 'http://issuer.test'
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

  // From another database, as looking is a transaction as well.
  const url = new URL(DATABASE_URL)
  const name = url.pathname.slice(1)
  url.pathname = '/postgres'
  const sql = postgres(url.href, { max: 1, onnotice: () => {} })
  t.teardown(() => sql.end())
  const transactions = async () =>
    (await sql`select xact_commit + xact_rollback as n from pg_stat_database where datname = ${name}`)[0]?.n
  const before = await transactions()
  await sleep(WATCHED_MS)
  t.equal(await transactions(), before)
  const listeners = await sql`
    select pid from pg_stat_activity where datname = ${name} and application_name like '%listen'`
  // The server runs jobs, and a notification wakes them; the connection sends nothing. The other listeners sleep.
  t.equal(listeners.length, 1, 'the worker of jobs alone listens')

  await send('DELETE', `/api/v1/api-keys/${made.id}`, { as })
  await send('PATCH', `/api/v1/users/${user.id}`, { as, body: { active: false } })
  for (const token of [made.key, user.token]) t.equal(await status(token), 401)
})
