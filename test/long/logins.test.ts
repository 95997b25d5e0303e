import { and, eq, isNull } from 'drizzle-orm'
import t from 'tap'
import { LOGIN_LIMITS } from '#src/identity/passwords/login-throttle.ts'
import { sessions } from '#src/identity/tables/sessions.ts'
import { PASSWORD, startApp } from '#test/support/app.ts'

t.test('200 logins with the old password around 20 changes and resets: none survives', async (t) => {
  const { app, send, someone } = await startApp(t, { RATE_LIMIT_ENABLED: 'false' })
  const admin = await someone('admin')
  const { id, email } = await someone()
  const login = (password: string) => send('POST', '/api/v1/auth/login', { body: { email, password } })
  let old = PASSWORD
  let started = 0
  for (let round = 0; round < 20; round += 1) {
    const wanted = `a new password of round ${round}`
    const isReset = round % 2 === 1
    const kept = isReset ? undefined : (await login(old)).body.accessToken
    const logins: ReturnType<typeof login>[] = []
    const start = (count: number) => {
      for (let index = 0; index < count; index += 1) logins.push(login(old))
    }
    start(round % 6)
    const changed = isReset
      ? send('PATCH', `/api/v1/users/${id}`, { as: admin.token, body: { password: wanted } })
      : send('POST', '/api/v1/auth/password', { as: kept, body: { currentPassword: old, newPassword: wanted } })
    start(10 - (round % 6))
    t.ok([200, 204].includes((await changed).status))
    for (const { status } of await Promise.all(logins)) if (status === 200) started += 1
    const live = await app.db.$count(sessions, and(eq(sessions.userId, id), isNull(sessions.revokedAt)))
    t.equal(live, isReset ? 0 : 1, `round ${round}: only the login that the change was made in`)
    old = wanted
  }
  t.ok(started > 0, `${started} of 200 logins were in time, and ended`)
})

t.test('of 500 wrong logins at once only as many are checked as the limit allows', async (t) => {
  const { app, someone } = await startApp(t)
  const attempt = async (email: string, remoteAddress: string, password = 'not the password') =>
    (await app.inject({ method: 'POST', url: '/api/v1/auth/login', payload: { email, password }, remoteAddress }))
      .statusCode
  const checked = (statuses: number[]) => statuses.filter((status) => status === 401).length
  const flood = (email: string, address: (index: number) => string) =>
    Promise.all(Array.from({ length: 500 }, (_, index) => attempt(email, address(index))))
  const one = await someone()
  t.equal(checked(await flood(one.email, (index) => `2001:db8::${index}`)), LOGIN_LIMITS.pair.tries, 'of one /64')
  t.equal(await attempt(one.email, '127.0.0.1', PASSWORD), 200)
  const other = await someone()
  const spread = await flood(other.email, (index) => `10.0.${index >> 8}.${index & 255}`)
  t.equal(checked(spread), LOGIN_LIMITS.account.tries, 'of 500 addresses on one account')
  t.equal(await attempt(other.email, '10.9.9.9', PASSWORD), 429, 'from where nobody of it ever logged in')
  t.equal(await attempt(other.email, '127.0.0.1', PASSWORD), 200, 'its user, from a known network')
})
