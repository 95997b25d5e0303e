import { eq, sql } from 'drizzle-orm'
import t from 'tap'
import { guardUsers } from '#routes/api/v1/users/guard.ts'
import { idempotencyKeys } from '#src/http/idempotency/table.ts'
import { LOGIN_LIMITS } from '#src/identity/passwords/login-throttle.ts'
import type { Principal } from '#src/identity/principal.ts'
import { currentPrincipal } from '#src/identity/requests/current-principal.ts'
import { loginNetworks, rotateSession } from '#src/identity/sessions/sessions.ts'
import { startVerifiedLogin } from '#src/identity/sessions/start-login.ts'
import { apiKeys } from '#src/identity/tables/api-keys.ts'
import { sessions } from '#src/identity/tables/sessions.ts'
import { users } from '#src/identity/tables/users.ts'
import { authenticate, changePassword, preparePassword } from '#src/identity/users.ts'
import { PASSWORD, startApp } from '#test/support/app.ts'
import { noteStatements } from '#test/support/statements.ts'

const { app, send, someone } = await startApp(t, { REGISTRATION: 'open' })

const startLogin = async (email: string, password = PASSWORD) =>
  send('POST', '/api/v1/auth/login', {
    body: { email, password },
    headers: { 'user-agent': 'a browser', 'x-request-id': 'the same' }
  })
const refresh = (refreshToken: string) => send('POST', '/api/v1/auth/refresh', { body: { refreshToken } })
const me = async (token: string) => (await send('GET', '/api/v1/users/me', { as: token })).status
const pastGrace = (id: string) =>
  app.db.update(sessions).set({ rotatedAt: sql`now() - interval '11 seconds'` }).where(eq(sessions.id, id))
const sidOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[1] as string, 'base64url').toString()).sid

t.test('a registered user can log in', async (t) => {
  const body = { email: 'Ada@Example.com', password: 'a long enough one' }
  const made = await send('POST', '/api/v1/auth/register', { body })
  t.equal(made.status, 201)
  t.equal(made.headers['cache-control'], 'no-store')
  t.match(made.body, { tokenType: 'Bearer', expiresIn: 600 })
  t.equal((await send('GET', '/api/v1/users/me', { as: made.body.accessToken })).body.name, 'Ada')
  t.equal((await startLogin('ada@example.com', body.password)).status, 200)
  const twice = await send('POST', '/api/v1/auth/register', { body: { ...body, name: 'Ada' } })
  t.equal(twice.status, 409)
  t.same(twice.body.details[0].path, '/email')
  const common = await send('POST', '/api/v1/auth/register', {
    body: { email: 'b@example.com', password: 'Password123' }
  })
  t.equal(common.status, 422)
  t.match(common.body.details, [{ path: '/password', code: 'common' }])
})

t.test('a closed registration is 403', async (t) => {
  const { send } = await startApp(t, { REGISTRATION: 'closed' })
  const answer = await send('POST', '/api/v1/auth/register', {
    body: { email: 'a@example.com', password: 'long enough 1' }
  })
  t.equal(answer.status, 403)
  t.equal(answer.body.error.code, 'REGISTRATION_CLOSED')
})

t.test('unknown user, wrong password and disabled user: the same bytes', async (t) => {
  const { id, email } = await someone()
  await app.db.update(users).set({ active: false }).where(eq(users.id, id))
  const other = await someone()
  const tries = [
    await startLogin('nobody@example.com'),
    await startLogin(other.email, 'not the password'),
    await startLogin(email)
  ]
  const [first, ...rest] = tries.map(({ text, status, headers }) => {
    const { 'x-request-id': id, 'server-timing': _timing, date: _date, ratelimit: _left, ...same } = headers
    return JSON.stringify([status, text.replace(id as string, ''), same])
  })
  t.match(first, /^\[401/)
  for (const one of rest) t.equal(one, first)
})

t.test('a refresh token rotates, and gives the same successor within the grace', async (t) => {
  const { email } = await someone()
  const first = (await startLogin(email)).body
  const second = await refresh(first.refreshToken)
  t.equal(second.status, 200)
  t.not(second.body.refreshToken, first.refreshToken)
  t.equal(await me(second.body.accessToken), 200)
  t.equal((await refresh(first.refreshToken)).body.refreshToken, second.body.refreshToken)
  const third = await refresh(second.body.refreshToken)
  t.equal(third.status, 200)
  t.equal(await me(third.body.accessToken), 200)
})

t.test('100 refreshes at once rotate once; after the grace the family ends with its access tokens', async (t) => {
  const { email } = await someone()
  const { refreshToken, accessToken } = (await startLogin(email)).body
  const answers = await Promise.all(Array.from({ length: 100 }, () => refresh(refreshToken)))
  t.same([...new Set(answers.map(({ status }) => status))], [200])
  const successors = new Set(answers.map(({ body }) => body.refreshToken))
  t.equal(successors.size, 1)
  const [successor] = [...successors]
  await pastGrace(sidOf(accessToken))
  t.equal((await refresh(refreshToken)).status, 401)
  t.equal((await refresh(successor)).status, 401)
  t.equal(await me(accessToken), 401)
  t.equal(await me(answers[0]?.body.accessToken), 401)
})

t.test('an old token ends the family even within the grace of a younger one', async (t) => {
  const { email } = await someone()
  const first = (await startLogin(email)).body
  const second = (await refresh(first.refreshToken)).body
  const third = (await refresh(second.refreshToken)).body
  t.equal((await refresh(first.refreshToken)).status, 401)
  t.equal((await refresh(third.refreshToken)).status, 401)
})

t.test('an invented token ends nothing', async (t) => {
  const { email } = await someone()
  const { refreshToken, accessToken } = (await startLogin(email)).body
  const bytes = Buffer.from(refreshToken.slice(4), 'base64url')
  for (const index of [0, 20, 60]) {
    const forged = Buffer.from(bytes)
    forged[index] = (forged[index] as number) ^ 1
    t.equal((await refresh(`tnr_${forged.toString('base64url')}`)).status, 401)
  }
  t.equal((await refresh(`${refreshToken.slice(0, -1)}${refreshToken.endsWith('A') ? 'B' : 'A'}`)).status, 401)
  t.equal((await refresh('tnr_short')).status, 401)
  t.equal((await refresh(accessToken)).status, 422, 'far too long')
  t.equal(await me(accessToken), 200)
  t.equal((await refresh(refreshToken)).status, 200)
})

t.test('a login ends when it is idle, and at its time limit in any case', async (t) => {
  for (const column of ['idleExpiresAt', 'expiresAt'] as const) {
    const { email } = await someone()
    const { refreshToken, accessToken } = (await startLogin(email)).body
    const past = { [column]: sql`now() - interval '1 second'` }
    await app.db
      .update(sessions)
      .set(past)
      .where(eq(sessions.id, sidOf(accessToken)))
    t.equal((await refresh(refreshToken)).status, 401, column)
  }
  const { email } = await someone()
  const { refreshToken, accessToken } = (await startLogin(email)).body
  const soon = { expiresAt: sql`now() + interval '60 seconds'` }
  await app.db
    .update(sessions)
    .set(soon)
    .where(eq(sessions.id, sidOf(accessToken)))
  const { expiresIn } = (await refresh(refreshToken)).body
  t.ok(expiresIn <= 60, 'no access token outlives its login')
})

t.test('the login of an OAuth client is not refreshed by another client', async (t) => {
  const { email } = await someone()
  const token = app.identity.refreshTokens.read((await startLogin(email)).body.refreshToken)
  if (!token) throw new Error('no token')
  t.equal(await rotateSession(app.db, token, app.identity.refreshTokens.next(token), () => false), undefined)
})

t.test('logging out ends the login of the access token, or of the refresh token', async (t) => {
  const { email } = await someone()
  const first = (await startLogin(email)).body
  t.equal((await send('POST', '/api/v1/auth/logout', { as: first.accessToken })).status, 204)
  t.equal(await me(first.accessToken), 401)
  t.equal((await refresh(first.refreshToken)).status, 401)
  const second = (await startLogin(email)).body
  const body = { refreshToken: second.refreshToken }
  t.equal((await send('POST', '/api/v1/auth/logout', { body })).status, 204)
  t.equal(await me(second.accessToken), 401)
  t.equal((await send('POST', '/api/v1/auth/logout')).status, 401)
  t.equal((await send('POST', '/api/v1/auth/logout', { body: { refreshToken: 'tnr_x' } })).status, 401)
})

t.test('sessions are listed and ended, and only by their own user', async (t) => {
  const { email } = await someone()
  const other = await someone()
  const [one, two] = [(await startLogin(email)).body, (await startLogin(email)).body]
  const { data } = (await send('GET', '/api/v1/auth/sessions', { as: one.accessToken })).body
  t.equal(data.length, 3)
  t.same(
    data.filter(({ current }: { current: boolean }) => current).map(({ id }: { id: string }) => id),
    [sidOf(one.accessToken)]
  )
  t.equal(data[0].userAgent, 'a browser')
  const path = `/api/v1/auth/sessions/${sidOf(two.accessToken)}`
  t.equal((await send('DELETE', path, { as: other.token })).status, 404)
  t.equal(await me(two.accessToken), 200)
  t.equal((await send('DELETE', path, { as: one.accessToken })).status, 204)
  t.equal(await me(two.accessToken), 401)
  t.equal((await send('DELETE', path, { as: one.accessToken })).status, 404)
})

t.test('a password change ends the other logins', async (t) => {
  const { email } = await someone()
  const [kept, ended] = [(await startLogin(email)).body, (await startLogin(email)).body]
  const change = (currentPassword: string, newPassword: string) =>
    send('POST', '/api/v1/auth/password', { as: kept.accessToken, body: { currentPassword, newPassword } })
  t.equal((await change('not the password', 'another long one')).status, 422)
  t.match((await change(PASSWORD, 'qwertyuiop')).body.details, [{ path: '/newPassword', code: 'common' }])
  t.equal((await change(PASSWORD, 'another long one')).status, 204)
  t.equal(await me(kept.accessToken), 200)
  t.equal(await me(ended.accessToken), 401)
  t.equal((await refresh(ended.refreshToken)).status, 401)
  t.equal((await startLogin(email)).status, 401)
  t.equal((await startLogin(email, 'another long one')).status, 200)
})

t.test('a password that an administrator sets, or being disabled, ends every login', async (t) => {
  const admin = await someone('admin')
  for (const body of [{ password: 'set by an administrator' }, { active: false }]) {
    const { id, token, email } = await someone()
    const { refreshToken } = (await startLogin(email)).body
    t.equal(await me(token), 200)
    t.equal((await send('PATCH', `/api/v1/users/${id}`, { as: admin.token, body })).status, 200)
    t.equal(await me(token), 401)
    t.equal((await refresh(refreshToken)).status, 401)
  }
})

t.test('no login with the old password survives a change or a reset', async (t) => {
  const admin = await someone('admin')
  const { id, email } = await someone()
  const wanted = ['the first new password', 'the second new password'] as const
  const kept = (await startLogin(email)).body.accessToken
  const ways = [
    () =>
      send('POST', '/api/v1/auth/password', { as: kept, body: { currentPassword: PASSWORD, newPassword: wanted[0] } }),
    () => send('PATCH', `/api/v1/users/${id}`, { as: admin.token, body: { password: wanted[1] } })
  ]
  for (const [round, change] of ways.entries()) {
    const old = round === 0 ? PASSWORD : wanted[0]
    const login = () => startLogin(email, old)
    const before = Array.from({ length: 4 }, login)
    const changed = change()
    const logins = await Promise.all([...before, ...Array.from({ length: 6 }, login)])
    t.ok([200, 204].includes((await changed).status))
    t.ok(logins.every(({ status }) => status === 200 || status === 401))
    for (const { body } of logins.filter(({ status }) => status === 200)) t.equal(await me(body.accessToken), 401)
    const live = await app.db.$count(sessions, sql`${sessions.userId} = ${id} and ${sessions.revokedAt} is null`)
    t.equal(live, round === 0 ? 1 : 0, 'only the login that the change was made in')
  }
})

t.test('a login that ended, or a user that was disabled, while a password was hashed changes nothing', async (t) => {
  const { id, email, token } = await someone()
  const change = { userId: id, sessionId: sidOf(token) }
  const prepared = await preparePassword(app.db, { userId: id, current: PASSWORD, wanted: 'another long one' })
  if (!prepared) throw new Error('the password is right')
  await send('POST', '/api/v1/auth/logout', { as: token })
  t.equal(await changePassword(app.db, change, prepared), false)
  t.equal((await startLogin(email)).status, 200, 'the password is the one before')
  const verified = await authenticate(app.db, email, PASSWORD)
  if (!verified) throw new Error('the password is right')
  await app.db.update(users).set({ active: false }).where(eq(users.id, id))
  const origin = { clientId: null, ip: null, userAgent: null }
  const login = { email, password: PASSWORD, user: verified }
  t.equal(await startVerifiedLogin(app.identity, app.db, login, origin), undefined)
})

t.test('an administrator that lost the rights while a password was hashed changes nothing', async (t) => {
  const target = await someone()
  const admin = await someone('admin')
  const key = await send('POST', '/api/v1/api-keys', { as: admin.token, body: { name: 'x', scopes: ['users:*'] } })
  const letIn = { userId: admin.id, role: 'admin', scopes: new Set(['*']) }
  const principals = [
    { ...letIn, sessionId: sidOf(admin.token) },
    { ...letIn, keyId: key.body.id as string }
  ]
  const item = { id: target.id, body: { role: 'admin' } }
  const judged = async (principal: Principal) => (await guardUsers({ db: app.db, principal, items: [item] }))(item)
  for (const principal of principals) t.ok(await currentPrincipal(app.db, principal))
  await judged(principals[0] as Principal)
  await app.db.update(users).set({ role: 'member' }).where(eq(users.id, admin.id))
  for (const principal of principals) await t.rejects(judged(principal), { code: 'FORBIDDEN' } as never)
  await app.db.delete(apiKeys).where(eq(apiKeys.id, key.body.id))
  await app.db.delete(sessions).where(eq(sessions.id, sidOf(admin.token)))
  for (const principal of principals) await t.rejects(judged(principal), { code: 'UNAUTHENTICATED' } as never)
})

t.test('a user that was disabled in the database alone gets no tokens, by password or by refresh token', async (t) => {
  const { id, email } = await someone()
  const { refreshToken } = (await startLogin(email)).body
  const { guesses } = app.identity
  const throttle = guesses.attempt
  t.teardown(() => Object.assign(guesses, { attempt: throttle }))
  guesses.attempt = async (account, address, check) => {
    const user = await throttle.call(guesses, account, address, check)
    await app.db.update(users).set({ active: false }).where(eq(users.id, id))
    return user as never
  }
  t.match(await startLogin(email), { status: 401, body: { error: { message: 'E-mail or password is wrong.' } } })
  t.equal((await refresh(refreshToken)).status, 401)
})

t.test('a flood from other networks does not lock a user out of those it logged in from', async (t) => {
  const { id, email } = await someone()
  const [theirs, foreign] = ['198.51.100.77', '198.51.100.78']
  await app.db.update(sessions).set({ ip: theirs }).where(eq(sessions.userId, id))
  for (const account of [id, email]) t.same(await loginNetworks(app.db, account), new Set([theirs]))
  const { network } = LOGIN_LIMITS
  const loginFrom = async (remoteAddress: string) => {
    await app.identity.attempts?.add(`login:${remoteAddress}`, network.seconds * 1000, network.tries)
    const payload = { email, password: PASSWORD }
    return (await app.inject({ method: 'POST', url: '/api/v1/auth/login', payload, remoteAddress })).statusCode
  }
  t.equal(await loginFrom(foreign), 429)
  t.equal(await loginFrom(theirs), 200)
})

t.test('a stale credential does not break routes that judge their body', async (t) => {
  const { email, token: ended } = await someone()
  await send('POST', '/api/v1/auth/logout', { as: ended })
  for (const headers of [
    { authorization: `Bearer ${ended}` },
    { authorization: 'Bearer tn_live_x', 'x-api-key': 'tn_live_y' },
    { authorization: 'Basic eDp5' }
  ] as Record<string, string>[]) {
    const post = (path: string, body: object) => send('POST', `/api/v1/auth/${path}`, { body, headers })
    const login = await post('login', { email, password: PASSWORD })
    t.equal(login.status, 200)
    const next = await post('refresh', { refreshToken: login.body.refreshToken })
    t.equal(next.status, 200)
    if (headers['x-api-key']) continue
    t.equal((await post('logout', {})).status, 401)
    t.equal((await post('logout', { refreshToken: next.body.refreshToken })).status, 204)
    t.equal(await me(login.body.accessToken), 401)
  }
})

t.test('the refusal of an anonymous request is not stored, and an invalid token needs no database', async (t) => {
  const { email } = await someone()
  const { refreshToken } = (await startLogin(email)).body
  await send('POST', '/api/v1/auth/logout', { body: { refreshToken } })
  const rows = await app.db.$count(idempotencyKeys)
  const tries: [string, object, number][] = [
    ['refresh', { refreshToken: `${refreshToken.slice(0, -1)}!` }, 401],
    ['refresh', { refreshToken }, 401],
    ['logout', { refreshToken: 'tnr_x' }, 401],
    ['login', { email, password: 'not the password' }, 401],
    ['register', { email, password: 'a long enough one' }, 409]
  ]
  for (const [path, body, status] of tries) {
    const headers = { 'idempotency-key': `anonymous-${path}` }
    t.equal((await send('POST', `/api/v1/auth/${path}`, { body, headers })).status, status, path)
    t.equal((await send('POST', `/api/v1/auth/${path}`, { body, headers })).status, status, path)
  }
  t.equal(await app.db.$count(idempotencyKeys), rows)

  const statements = await noteStatements(app).of(async () => {
    const garbage = { 'idempotency-key': 'garbage' }
    for (const path of ['refresh', 'logout'])
      await send('POST', `/api/v1/auth/${path}`, { body: { refreshToken: 'tnr_x' }, headers: garbage })
    for (const token of ['tnr_x', 'a.b.c'])
      await app.inject({
        method: 'POST',
        url: '/oauth/revoke',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        payload: `token=${token}`
      })
  })
  t.same(statements, [])
})

t.test('of many wrong passwords at once only as many are checked as one after the other', async (t) => {
  const { email } = await someone()
  const tryFrom = async (remoteAddress: string, password = 'not the password') =>
    (await app.inject({ method: 'POST', url: '/api/v1/auth/login', payload: { email, password }, remoteAddress }))
      .statusCode
  const statuses = await Promise.all(Array.from({ length: 24 }, (_, index) => tryFrom(`2001:db8::${index}`)))
  t.equal(statuses.filter((status) => status === 401).length, LOGIN_LIMITS.pair.tries)
  t.equal(statuses.filter((status) => status === 429).length, 14)
  t.equal(await tryFrom('2001:db8::ffff', PASSWORD), 429, 'the same /64')
  t.equal(await tryFrom('127.0.0.1', PASSWORD), 200, 'its user is elsewhere')
})

t.test('weaker hashes are replaced at login, also by several at once', async (t) => {
  const { id, email } = await someone()
  const { hash } = await import('@node-rs/argon2')
  const weak = await hash(PASSWORD, { memoryCost: 4096, timeCost: 1, parallelism: 1 })
  await app.db.update(users).set({ passwordHash: weak }).where(eq(users.id, id))
  const logins = await Promise.all([startLogin(email), startLogin(email), startLogin(email)])
  t.same(
    logins.map(({ status }) => status),
    [200, 200, 200]
  )
  const [row] = await app.db.select({ hash: users.passwordHash }).from(users).where(eq(users.id, id))
  t.match(row?.hash, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
  t.equal((await startLogin(email)).status, 200)
  await app.db.update(users).set({ passwordHash: '!' }).where(eq(users.id, id))
  t.equal((await startLogin(email)).status, 401, 'who has no password cannot log in with one')
})
