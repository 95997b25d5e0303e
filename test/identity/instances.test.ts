import { eq } from 'drizzle-orm'
import postgres from 'postgres'
import t, { type Test } from 'tap'
import { users } from '#src/identity/tables/users.ts'
import { PASSWORD, startApp, type TestApp } from '#test/support/app.ts'
import { isPostgres } from '#test/support/database.ts'
import { startServer } from '#test/support/processes.ts'

const ISSUER = 'http://issuer.test'
const skip = isPostgres ? false : 'two processes need a PostgreSQL'

let started: TestApp
let origins: string[] = []
let admin: { token: string }

t.before(async () => {
  if (skip) return
  started = await startApp(t, { JWT_ISSUER: ISSUER })
  const env = { DATABASE_URL: started.database.DATABASE_URL as string, JWT_ISSUER: ISSUER }
  admin = await started.someone('admin')
  origins = await Promise.all([startServer(t, env), startServer(t, env)])
})

const statusAt = async (origin: string, token: string) =>
  (await fetch(`${origin}/api/v1/items`, { headers: { authorization: `Bearer ${token}` } })).status

/** The time in milliseconds until both other processes refuse a credential that they just accepted. */
async function untilRefused(t: Test, token: string, status: number, revoke: () => Promise<unknown>): Promise<number> {
  for (const origin of origins) t.equal(await statusAt(origin, token), 200)
  await revoke()
  const at = performance.now()
  await Promise.all(
    origins.map(async (origin) => {
      while ((await statusAt(origin, token)) !== status && performance.now() - at < 10_000);
    })
  )
  return performance.now() - at
}

/** Every right that can be revoked, and how. */
async function revocations(): Promise<[string, string, number, () => Promise<unknown>][]> {
  const { send, someone } = started
  const key = async () => {
    const body = { name: 'a key', scopes: ['items:read'] }
    return (await send('POST', '/api/v1/api-keys', { as: admin.token, body })).body
  }
  const [revoked, disabled, rotated] = [await key(), await key(), await key()]
  const [ended, off, moved, narrowed] = [await someone(), await someone(), await someone(), await someone()]
  const role = async (name: string) =>
    (await send('POST', '/api/v1/roles', { as: admin.token, body: { name, scopes: ['items:read'] } })).body
  const suffix = Math.random().toString(36).slice(2, 8)
  const [none, some] = [await role(`none-${suffix}`), await role(`some-${suffix}`)]
  const as = admin.token
  await send('PATCH', `/api/v1/roles/${none.id}`, { as, body: { scopes: [] } })
  await started.app.db.update(users).set({ role: some.name }).where(eq(users.id, narrowed.id))
  return [
    ['a revoked key', revoked.key, 401, () => send('DELETE', `/api/v1/api-keys/${revoked.id}`, { as })],
    [
      'a disabled key',
      disabled.key,
      401,
      () => send('PATCH', `/api/v1/api-keys/${disabled.id}`, { as, body: { enabled: false } })
    ],
    [
      'a rotated key',
      rotated.key,
      401,
      () => send('POST', `/api/v1/api-keys/${rotated.id}/rotate`, { as, body: { overlapSeconds: 0 } })
    ],
    ['an ended session', ended.token, 401, () => send('POST', '/api/v1/auth/logout', { as: ended.token })],
    [
      'a disabled user',
      off.token,
      401,
      () => send('PATCH', `/api/v1/users/${off.id}`, { as, body: { active: false } })
    ],
    [
      'a role taken away',
      moved.token,
      403,
      () => send('PATCH', `/api/v1/users/${moved.id}`, { as, body: { role: none.name } })
    ],
    [
      'a scope taken from a role',
      narrowed.token,
      403,
      () => send('PATCH', `/api/v1/roles/${some.id}`, { as, body: { scopes: ['orders:read'] } })
    ]
  ]
}

t.test('a revoked credential is refused by two other processes within one second', { skip }, async (t) => {
  for (const [name, token, status, revoke] of await revocations()) {
    const ms = await untilRefused(t, token, status, revoke)
    t.comment(`${name}: ${Math.round(ms)} ms`)
    t.ok(ms < 1000, name)
  }
})

t.test('the same under load', { skip }, async (t) => {
  const { token } = await started.someone()
  let isOver = false
  let count = 0
  const load = Promise.all(
    Array.from({ length: 16 }, async (_, index) => {
      while (!isOver) {
        await statusAt(origins[index % 2] as string, token)
        count += 1
      }
    })
  )
  for (const [name, credential, status, revoke] of await revocations()) {
    const ms = await untilRefused(t, credential, status, revoke)
    t.comment(`${name}: ${Math.round(ms)} ms`)
    t.ok(ms < 1000, name)
  }
  isOver = true
  await load
  t.comment(`${count} requests meanwhile`)
})

t.test('the same within five seconds while LISTEN is cut, and within one when it is back', { skip }, async (t) => {
  const database = postgres(started.database.DATABASE_URL as string, { max: 1, onnotice: () => {} })
  const { pathname } = new URL(started.database.DATABASE_URL as string)
  const cut = () => database`
    select pg_terminate_backend(pid) from pg_stat_activity
    where application_name = 'tenon listen' and datname = ${pathname.slice(1)}`
  let isCut = true
  const cutting = (async () => {
    while (isCut) await cut()
  })()
  for (const [name, token, status, revoke] of (await revocations()).slice(3, 6)) {
    const ms = await untilRefused(t, token, status, revoke)
    t.comment(`${name}: ${Math.round(ms)} ms`)
    t.ok(ms < 5000, name)
  }
  isCut = false
  await cutting
  await database.end()
  const email = (await started.someone()).email
  // It is back as soon as revocations arrive at once; with the poll alone most of them would wait.
  const times: number[] = []
  while (times.length < 20 && !(times.slice(-3).length === 3 && times.slice(-3).every((ms) => ms < 300))) {
    const login = await started.send('POST', '/api/v1/auth/login', { body: { email, password: PASSWORD } })
    const token = login.body.accessToken
    times.push(await untilRefused(t, token, 401, () => started.send('POST', '/api/v1/auth/logout', { as: token })))
  }
  t.comment(`after the cut: ${times.map(Math.round).join(', ')} ms`)
  t.ok(times.slice(-3).every((ms) => ms < 300))
})
