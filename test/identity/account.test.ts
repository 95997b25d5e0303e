import { eq, sql } from 'drizzle-orm'
import { generate } from 'otplib'
import t from 'tap'
import { orders } from '#routes/api/v1/orders/table.ts'
import { confirm } from '#src/identity/second-factor/factors.ts'
import { MAX_SESSIONS } from '#src/identity/sessions/sessions.ts'
import { recoveryCodes, secondFactors } from '#src/identity/tables/second-factors.ts'
import { sessions } from '#src/identity/tables/sessions.ts'
import { users } from '#src/identity/tables/users.ts'
import { compileResource } from '#src/resource/compile/resource.ts'
import { DeclarationError } from '#src/resource/model.ts'
import { PASSWORD, type Someone, startApp } from '#test/support/app.ts'

const { app, send, someone } = await startApp(t, { OAUTH_PASSWORD_GRANT: 'true' })
const admin = await someone('admin')

const post = (path: string, body: object, as?: string, headers = {}) =>
  send('POST', `/api/v1/auth/${path}`, { body, as, headers })
const login = (email: string, password = PASSWORD) => post('login', { email, password })
const me = async (as: string) => (await send('GET', '/api/v1/users/me', { as })).status
const proof = { currentPassword: PASSWORD }
const codeOf = (secret: string, aheadSeconds = 0) =>
  generate({ secret, epoch: Math.floor(Date.now() / 1000) + aheadSeconds })
const forgetSteps = () => app.db.update(secondFactors).set({ lastStep: 0 })
const sidOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[1] as string, 'base64url').toString()).sid

/** A user with a second factor. */
async function withFactor(): Promise<Someone & { secret: string; recovery: string[] }> {
  const user = await someone()
  const { body } = await post('second-factor', proof, user.token)
  const confirmed = await post('second-factor/confirm', { code: await codeOf(body.secret) }, user.token)
  await forgetSteps()
  return { ...user, secret: body.secret, recovery: confirmed.body.recoveryCodes }
}

t.test('a second factor is enrolled with the password, confirmed with a code, and shown once', async (t) => {
  const { token: as, email, id } = await someone()
  const state = async () => (await send('GET', '/api/v1/auth/second-factor', { as })).body
  t.same(await state(), { enabled: false, confirmedAt: null, recoveryCodesLeft: 0 })
  t.match(await post('second-factor', { currentPassword: 'x' }, as), {
    status: 422,
    body: { details: [{ path: '/currentPassword', code: 'wrong' }] }
  })
  t.equal((await post('second-factor/confirm', { code: '123456' }, as)).status, 422, 'there is nothing to confirm')
  const first = await post('second-factor', proof, as)
  const made = await post('second-factor', proof, as)
  t.match(made, { status: 201, headers: { 'cache-control': 'no-store' } })
  t.match(made.body, { secret: /^[A-Z2-7]{32}$/, uri: `otpauth://totp/Tenon:${encodeURIComponent(email)}?secret=` })
  t.equal((await login(email)).status, 200, 'it does not count yet')
  t.equal((await post('second-factor/confirm', { code: await codeOf(first.body.secret) }, as)).status, 422)
  const confirmed = await post('second-factor/confirm', { code: await codeOf(made.body.secret) }, as)
  t.match(confirmed, { status: 200, headers: { 'cache-control': 'no-store' } })
  t.equal(new Set(confirmed.body.recoveryCodes).size, 10)
  t.match(await state(), { enabled: true, recoveryCodesLeft: 10 })
  t.match(await post('second-factor', proof, as), { status: 409 })
  const [row] = await app.db.select().from(secondFactors).where(eq(secondFactors.userId, id))
  const stored = JSON.stringify([row, await app.db.select().from(recoveryCodes)])
  for (const secret of [made.body.secret, ...confirmed.body.recoveryCodes]) t.notOk(stored.includes(secret))
  t.throws(() => app.identity.factorSecrets.open(row?.secret as string, admin.id), 'it opens for its user only')
})

t.test('each login then needs a code, which works once', async (t) => {
  const { email, secret, recovery, token } = await withFactor()
  t.equal((await login(email, 'not the password')).body.error.code, 'UNAUTHENTICATED')
  const asked = await login(email)
  t.match(asked, { status: 401, body: { error: { code: 'SECOND_FACTOR_REQUIRED', details: { expiresIn: 300 } } } })
  t.match(asked.headers['www-authenticate'], /^Bearer/)
  const { challenge } = asked.body.error.details
  const finish = (code: string, headers = {}) => post('login/second-factor', { challenge, code }, undefined, headers)
  t.equal((await finish('000000')).status, 401)
  const code = await codeOf(secret)
  const answers = await Promise.all(Array.from({ length: 4 }, () => finish(code)))
  t.same(answers.map(({ status }) => status).sort(), [200, 401, 401, 401], 'of one code at once')
  t.equal(await me(answers.find(({ status }) => status === 200)?.body.accessToken), 200)
  t.equal((await finish(code)).status, 401, 'nor later')
  const next = await codeOf(secret, 30)
  const headers = { 'idempotency-key': 'second-step' }
  const done = await finish(next, headers)
  t.equal(done.status, 200)
  t.equal((await finish(next, headers)).text, done.text, 'with a key it is told again')

  t.equal((await finish((recovery[0] as string).toUpperCase().replaceAll('-', ' '))).status, 200)
  t.equal((await finish(recovery[0] as string)).status, 401, 'a recovery code is used up')
  t.match((await send('GET', '/api/v1/auth/second-factor', { as: token })).body, { recoveryCodesLeft: 9 })

  const forged = challenge.replace(/.$/, (last: string) => (last === 'A' ? 'B' : 'A'))
  for (const one of [forged, 'tnc_e30.x', 'x'])
    t.equal((await post('login/second-factor', { challenge: one, code: recovery[1] })).status, 401)
  await forgetSteps()
  await post('password', { currentPassword: PASSWORD, newPassword: 'another long one' }, token)
  t.equal((await finish(recovery[1] as string)).status, 401, 'a challenge of the old password')
})

t.test('a challenge ends after five minutes', async (t) => {
  const { factorSecrets } = app.identity
  const { challenge } = factorSecrets.writeChallenge({ userId: 'x', clientId: null, fingerprint: 'y' })
  t.same(factorSecrets.readChallenge(challenge), { userId: 'x', clientId: null, fingerprint: 'y' })
  const { now } = Date
  t.teardown(() => Object.assign(Date, { now }))
  Date.now = () => now() + 301_000
  t.equal(factorSecrets.readChallenge(challenge), undefined)
})

t.test('a code that another request used up since its check is wrong', async (t) => {
  const { id, email, recovery } = await withFactor()
  const { challenge } = (await login(email)).body.error.details
  const { codes } = app.identity
  const throttle = codes.attempt
  t.teardown(() => Object.assign(codes, { attempt: throttle }))
  codes.attempt = async (account, address, check) => {
    const right = await throttle.call(codes, account, address, check)
    await app.db.delete(recoveryCodes).where(eq(recoveryCodes.userId, id))
    return right as never
  }
  const late = await post('login/second-factor', { challenge, code: recovery[0] })
  t.match(late, { status: 401, body: { error: { message: /^The code is wrong or was used/ } } })
})

t.test('an enrolment that was replaced since the check of its code is not confirmed', async (t) => {
  const { id, token } = await someone()
  await post('second-factor', proof, token)
  const replaced = { sealed: 'the secret of the enrolment before', step: 1 }
  t.equal(await confirm(app.db, app.identity.factorSecrets, id, replaced), undefined)
  t.equal(await app.db.$count(recoveryCodes, eq(recoveryCodes.userId, id)), 0)
})

t.test('wrong codes are bounded, even with the right password', async (t) => {
  const { email, recovery } = await withFactor()
  const { challenge } = (await login(email)).body.error.details
  const tryFrom = async (remoteAddress: string, code: string) =>
    (
      await app.inject({
        method: 'POST',
        url: '/api/v1/auth/login/second-factor',
        payload: { challenge, code },
        remoteAddress
      })
    ).statusCode
  const statuses = await Promise.all(Array.from({ length: 12 }, () => tryFrom('198.51.100.1', '000000')))
  t.equal(statuses.filter((status) => status === 401).length, 5)
  t.equal(statuses.filter((status) => status === 429).length, 7)
  t.equal(await tryFrom('127.0.0.1', recovery[0] as string), 200)
})

t.test('the password grant asks for a code, too', async (t) => {
  const { email, secret } = await withFactor()
  const grant = async (form: Record<string, string>) => {
    const answer = await app.inject({
      method: 'POST',
      url: '/oauth/token',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      payload: new URLSearchParams({ grant_type: 'password', ...form }).toString()
    })
    return { status: answer.statusCode, body: answer.json() }
  }
  const asked = await grant({ username: email, password: PASSWORD })
  t.match(asked, { status: 400, body: { error: 'second_factor_required', challenge: /^tnc_/ } })
  const { challenge } = asked.body
  t.match(await grant({ challenge, otp: '000000' }), { status: 400, body: { error: 'invalid_grant' } })
  t.match(await grant({ challenge, otp: await codeOf(secret) }), { status: 200, body: { refresh_token: /^tnr_/ } })
  const narrow = await grant({ challenge, otp: await codeOf(secret, 30), scope: 'items:read' })
  t.match(narrow, { status: 200, body: { scope: 'items:read' } })
  t.equal(await me(narrow.body.access_token), 403, 'account routes are not for narrowed tokens')
  t.equal((await send('GET', '/api/v1/items', { as: narrow.body.access_token })).status, 200)
})

t.test('a second factor is removed with the password and a code, or by an administrator', async (t) => {
  const { email, token, id, secret } = await withFactor()
  const remove = (body: object) => post('second-factor/remove', body, token)
  t.equal((await remove({ currentPassword: 'x', code: await codeOf(secret) })).status, 422)
  t.match((await remove({ ...proof, code: '000000' })).body.details, [{ path: '/code', code: 'wrong' }])
  t.equal((await remove({ ...proof, code: await codeOf(secret) })).status, 204)
  t.equal((await login(email)).status, 200)

  const lost = await withFactor()
  const path = `/api/v1/users/${lost.id}/second-factor`
  t.equal((await send('DELETE', path, { as: token })).status, 403)
  t.equal((await send('DELETE', path, { as: admin.token })).status, 204)
  t.equal((await send('DELETE', path, { as: admin.token })).status, 404)
  t.equal((await login(lost.email)).status, 200)
  t.equal(await app.db.$count(recoveryCodes, eq(recoveryCodes.userId, id)), 0)
})

t.test('a login that began before the second factor was enrolled does not bypass it', async (t) => {
  const { startVerifiedLogin } = await import('#src/identity/sessions/start-login.ts')
  const { authenticate } = await import('#src/identity/users.ts')
  const { email, token } = await someone()
  const verified = await authenticate(app.db, email, PASSWORD)
  if (!verified) throw new Error('the password is right')
  const { body } = await post('second-factor', proof, token)
  await post('second-factor/confirm', { code: await codeOf(body.secret) }, token)
  const origin = { clientId: null, ip: null, userAgent: null }
  const started = startVerifiedLogin(app.identity, app.db, { email, password: PASSWORD, user: verified }, origin)
  t.equal(await started, undefined)
})

t.test('administrators list and end the sessions of a user', async (t) => {
  const { id, email, token } = await someone()
  const other = (await login(email)).body.accessToken
  const path = `/api/v1/users/${id}/sessions`
  const { data } = (await send('GET', path, { as: admin.token })).body
  t.same(new Set(data.map((one: { id: string }) => one.id)), new Set([sidOf(token), sidOf(other)]))
  t.notOk('current' in data[0])
  t.equal((await send('DELETE', `${path}/${sidOf(other)}`, { as: admin.token })).status, 204)
  t.same([await me(other), await me(token)], [401, 200])
  t.equal((await send('DELETE', `${path}/${sidOf(other)}`, { as: admin.token })).status, 404)
  t.equal((await send('DELETE', path, { as: admin.token })).status, 204)
  t.equal(await me(token), 401)
  const none = path.replace(id, '01890000-0000-7000-8000-000000000000')
  t.equal((await send('GET', none, { as: admin.token })).status, 404)
  t.equal((await send('DELETE', none, { as: admin.token })).status, 404)

  const scopes = ['users:read', 'users:write']
  await send('POST', '/api/v1/roles', { as: admin.token, body: { name: 'frontdesk', scopes } })
  const { token: as } = await someone('frontdesk')
  for (const what of ['sessions', 'second-factor', `sessions/${sidOf(admin.token)}`])
    t.equal((await send('DELETE', `/api/v1/users/${admin.id}/${what}`, { as })).status, 403, what)
})

t.test('a user has a bounded number of sessions: the least recently used one makes room', async (t) => {
  const { id, email, token } = await someone()
  const [row] = await app.db.select().from(sessions).where(eq(sessions.userId, id))
  if (!row) throw new Error('no session')
  const { v7 } = await import('uuid')
  const copies = Array.from({ length: MAX_SESSIONS }, () => ({
    ...row,
    id: v7(),
    rotatedAt: sql`now() - interval '1 day'`
  }))
  await app.db.insert(sessions).values(copies)
  await app.db.update(sessions).set({ rotatedAt: sql`now() - interval '2 days'` }).where(eq(sessions.id, row.id))
  t.equal((await login(email)).status, 200)
  t.equal(await app.db.$count(sessions, eq(sessions.userId, id)), MAX_SESSIONS)
  await app.identity.principals.catchUp()
  t.equal(await me(token), 401)
})

t.test('a user changes its own e-mail with the current password', async (t) => {
  const { email, token } = await someone()
  const other = await someone()
  const wanted = `New.${email}`
  const change = (to: string, currentPassword = PASSWORD) => post('email', { email: to, currentPassword }, token)
  t.equal((await change(wanted, 'x')).status, 422)
  t.match(await change(other.email), { status: 409, body: { details: [{ path: '/email', code: 'unique' }] } })
  t.match((await change('x@external.invalid')).body.details, [{ path: '/email', code: 'reserved' }])
  t.equal((await change(wanted)).status, 204)
  t.equal((await login(email)).status, 401)
  t.equal((await login(wanted.toLowerCase())).status, 200)
  t.equal(await me(token), 200)
})

t.test('a user deletes its own account, and its rows go where their resources say', async (t) => {
  const { id, email, token } = await someone()
  const category = (await send('POST', '/api/v1/categories', { as: admin.token, body: { name: 'For leaving' } })).body
  const product = { sku: 'LEAVE-1', name: 'x', priceCents: 1, stock: 5, categoryId: category.id }
  const { id: productId } = (await send('POST', '/api/v1/products', { as: admin.token, body: product })).body
  const order = await send('POST', '/api/v1/orders', { as: token, body: { lines: [{ productId, quantity: 1 }] } })
  const item = await send('POST', '/api/v1/items', { as: token, body: { title: 'theirs' } })
  const { key } = (await send('POST', '/api/v1/api-keys', { as: token, body: { name: 'x', scopes: ['items:read'] } }))
    .body
  const leave = (body: object, as = token) => send('DELETE', '/api/v1/users/me', { as, body })
  t.match((await leave({ currentPassword: 'x' })).body.details, [{ path: '/currentPassword', code: 'wrong' }])
  t.equal((await leave(proof, key)).status, 403, 'not by a key')
  t.equal((await leave(proof)).status, 204)
  t.same([await me(token), (await login(email)).status], [401, 401])
  t.equal((await send('GET', '/api/v1/items', { as: key })).status, 401)
  t.equal((await send('GET', `/api/v1/items/${item.body.id}`, { as: admin.token })).status, 404, 'deleted')
  const kept = await send('GET', `/api/v1/orders/${order.body.id}`, { as: admin.token })
  t.equal(kept.status, 200, 'kept, and nobody’s')
  const [nameless] = await app.db.select().from(users).where(eq(users.id, kept.body.userId))
  t.match(nameless, { email: 'deleted@external.invalid', active: false, passwordHash: '!' })
  t.not(kept.body.userId, id)
  const last = await startApp(t)
  const only = await last.someone('admin')
  const refused = await last.send('DELETE', '/api/v1/users/me', { as: only.token, body: proof })
  t.match(refused, { status: 409, body: { error: { code: 'CONFLICT' } } }, 'the last administrator stays')
})

t.test('an administrator deletes users, and their rows go where their resources say', async (t) => {
  const [one, two, three] = [await someone(), await someone(), await someone()]
  const product = { sku: 'LEAVE-2', name: 'x', priceCents: 1, stock: 50 }
  const { id: productId } = (await send('POST', '/api/v1/products', { as: admin.token, body: product })).body
  const own = async ({ token }: Someone) => ({
    order: (await send('POST', '/api/v1/orders', { as: token, body: { lines: [{ productId, quantity: 1 }] } })).body.id,
    item: (await send('POST', '/api/v1/items', { as: token, body: { title: 'theirs' } })).body.id
  })
  const theirs = [await own(one), await own(two), await own(three)]
  t.equal((await send('DELETE', `/api/v1/users/${one.id}`, { as: admin.token })).status, 204)
  const none = '01890000-0000-7000-8000-000000000000'
  t.equal((await send('DELETE', `/api/v1/users/${none}`, { as: admin.token })).status, 404)

  const scopes = ['users:read', 'users:delete', 'items:read', 'items:write', 'orders:read', 'orders:write']
  const memberScopes = (await send('GET', '/api/v1/roles?name=member', { as: admin.token })).body.data[0].scopes
  const desk = { name: 'leaving-desk', scopes: [...new Set([...scopes, ...memberScopes])] }
  t.equal((await send('POST', '/api/v1/roles', { as: admin.token, body: desk })).status, 201)
  const { token: as } = await someone('leaving-desk')
  const boss = await someone('admin')
  const bossItem = (await send('POST', '/api/v1/items', { as: boss.token, body: { title: 'kept' } })).body.id
  const ids = [two.id, boss.id, three.id]
  const bulk = await send('DELETE', '/api/v1/users/bulk?mode=partial', { as, body: { ids } })
  t.match(bulk.body, { failed: 1, results: [{}, { status: 'failed', error: { code: 'FORBIDDEN' } }, {}] })
  t.equal(
    (await send('GET', `/api/v1/items/${bossItem}`, { as: boss.token })).status,
    200,
    'a refused one loses nothing'
  )

  for (const { order, item } of theirs) {
    t.equal((await send('GET', `/api/v1/items/${item}`, { as: admin.token })).status, 404)
    const { body } = await send('GET', `/api/v1/orders/${order}`, { as: admin.token })
    const [owner] = await app.db.select().from(users).where(eq(users.id, body.userId))
    t.equal(owner?.email, 'deleted@external.invalid')
  }
  const { data } = (await send('GET', `/api/v1/events?subject=items/${theirs[0]?.item}`, { as: admin.token })).body
  t.match(data.at(-1), { type: 'item.deleted', actor: { userId: admin.id } })
})

t.test('the rows of a user can be handed over to the first administrator', async (t) => {
  const { releaseOwnedRows } = await import('#src/resource/operations/leave.ts')
  const { firstAdministrator } = await import('#src/identity/leaving.ts')
  const { Item } = await import('#routes/api/v1/items/schema.ts')
  const { items } = await import('#routes/api/v1/items/table.ts')
  const declaration = {
    schema: Item,
    table: items,
    access: { read: 'items:read', write: 'items:write', delete: 'items:delete' }
  } as const
  t.throws(() => compileResource('items', { ...declaration, whenOwnerLeaves: 'delete' }), DeclarationError)
  const leaving = await someone()
  const { id } = (await send('POST', '/api/v1/items', { as: leaving.token, body: { title: 'theirs' } })).body
  const resource = compileResource('items', { ...declaration, owner: 'ownerId', whenOwnerLeaves: 'handOver' })
  const ownerless = compileResource('items', declaration)
  await releaseOwnedRows(app.db, [leaving.id], [resource, ownerless])
  const { ownerId } = (await send('GET', `/api/v1/items/${id}`, { as: admin.token })).body
  t.equal(ownerId, await firstAdministrator(app.db, [leaving.id]))
  await app.db.update(users).set({ active: false }).where(eq(users.role, 'admin'))
  await t.rejects(firstAdministrator(app.db, [leaving.id]), { code: 'CONFLICT' } as never)
  t.ok(await app.db.$count(orders))
})
