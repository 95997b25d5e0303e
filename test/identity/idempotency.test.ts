import { eq, sql } from 'drizzle-orm'
import t, { type Test } from 'tap'
import { idempotencyKeys } from '#src/http/idempotency/table.ts'
import { sessions } from '#src/identity/tables/sessions.ts'
import { users } from '#src/identity/tables/users.ts'
import { type Answered, PASSWORD, startApp } from '#test/support/app.ts'

const { app, send, someone } = await startApp(t, { REGISTRATION: 'open' })
let count = 0

/** Sends a request twice with one key. The answers must be equal, and the database must have no text of them. */
async function twice(t: Test, method: string, path: string, sent: { as?: string; body?: object }) {
  count += 1
  const headers = { 'idempotency-key': `key-${count}` }
  const first = await send(method, path, { ...sent, headers })
  const again = await send(method, path, { ...sent, headers })
  t.notOk(first.headers['idempotency-replayed'], path)
  t.equal(again.headers['idempotency-replayed'], 'true', path)
  for (const name of ['cache-control', 'location', 'etag', 'content-type'])
    t.equal(again.headers[name], first.headers[name], name)
  t.same([again.status, again.text], [first.status, first.text], path)
  const table = JSON.stringify(await app.db.select().from(idempotencyKeys))
  for (const secret of secretsOf(first, sent.body)) {
    t.notOk(table.includes(secret), 'no secret is in the table')
    t.notOk(table.includes(Buffer.from(secret).toString('base64').slice(4, 24)), 'nor its encoding')
  }
  return first
}

const SECRETS = ['key', 'accessToken', 'refreshToken', 'email', 'password', 'currentPassword', 'newPassword']
const secretsOf = ({ body }: Answered, sent: object | undefined) =>
  Object.entries({ ...body, ...sent })
    .filter(([name]) => SECRETS.includes(name))
    .map(([, value]) => value as string)

const me = async (as: string) => (await send('GET', '/api/v1/users/me', { as })).status
const login = async (email: string, password = PASSWORD) =>
  (await send('POST', '/api/v1/auth/login', { body: { email, password } })).body

t.test('a key is made once, and shown again only to the same request', async (t) => {
  const { token: as } = await someone('admin')
  const path = '/api/v1/api-keys'
  const body = { name: 'canary key', scopes: ['items:read'] }
  const made = await twice(t, 'POST', path, { as, body })
  t.match(made, { status: 201, body: { key: /^tn_test_/ }, headers: { 'cache-control': 'no-store' } })
  t.equal((await send('GET', `${path}?count=exact`, { as })).body.page.total, 1)
  const rotated = await twice(t, 'POST', `${path}/${made.body.id}/rotate`, { as, body: { overlapSeconds: 0 } })
  t.equal(rotated.status, 200)
  t.not(rotated.body.key, made.body.key)
  t.equal((await send('GET', '/api/v1/items', { as: rotated.body.key })).status, 200, 'rotated once')
  t.equal((await send('GET', '/api/v1/items', { as: made.body.key })).status, 401)
  const reused = await send('POST', path, { as, body: { ...body, name: 'x' }, headers: { 'idempotency-key': 'key-1' } })
  t.match(reused, { status: 422, body: { error: { code: 'IDEMPOTENCY_KEY_REUSED' } } })
  t.match(await send('POST', path, { as, body, headers: { prefer: 'return=minimal' } }), { status: 201, text: '' })
})

t.test('a key is not shown to a caller with fewer rights than it', async (t) => {
  const { token: as } = await someone('admin')
  const make = async (scopes: string[]) =>
    (await send('POST', '/api/v1/api-keys', { as, body: { name: 'x', scopes } })).body
  const [all, clerk] = [await make(['*']), await make(['api-keys:write'])]
  const rotate = (id: string, by: string) => send('POST', `/api/v1/api-keys/${id}/rotate`, { as: by })
  t.match(await rotate(all.id, clerk.key), { status: 403, body: { error: { details: { scope: '*' } } } })
  t.equal((await send('GET', '/api/v1/users', { as: all.key })).status, 200, 'it is still the one before')
  t.equal((await rotate(clerk.id.toUpperCase(), clerk.key)).status, 200)
  t.equal((await rotate(all.id, (await someone()).token)).status, 404)
})

t.test('registration, login and refresh happen once, and their answers are replayed', async (t) => {
  const body = { email: 'canary@example.com', password: 'canary password of nobody' }
  const before = await app.db.$count(sessions)
  const made = await twice(t, 'POST', '/api/v1/auth/register', { body })
  t.match(made, { status: 201, headers: { 'cache-control': 'no-store' } })
  t.equal(await app.db.$count(users, eq(users.email, body.email)), 1)
  t.equal(await me(made.body.accessToken), 200)
  const logged = await twice(t, 'POST', '/api/v1/auth/login', { body })
  t.equal(logged.status, 200)
  const refreshed = await twice(t, 'POST', '/api/v1/auth/refresh', { body: { refreshToken: logged.body.refreshToken } })
  t.equal(await me(refreshed.body.accessToken), 200, 'a repetition is no second use')
  t.equal(await app.db.$count(sessions), before + 2)
})

t.test('another body needs another key, and no user gets the answer of another', async (t) => {
  const [ada, bob] = [await someone(), await someone()]
  const headers = { 'idempotency-key': 'shared' }
  const post = (email: string, password = PASSWORD) =>
    send('POST', '/api/v1/auth/login', { body: { email, password }, headers })
  const [hers, his] = [await post(ada.email), await post(bob.email)]
  t.not(hers.body.accessToken, his.body.accessToken)
  t.notOk(his.headers['idempotency-replayed'])
  t.equal((await post(ada.email, 'not the password')).status, 401, 'who does not know the body gets nothing of it')
  t.equal((await post(ada.email)).text, hers.text)
})

t.test('the answer to a wrong password is not stored', async (t) => {
  const { email, id } = await someone()
  const headers = { 'idempotency-key': 'wrong' }
  const post = () => send('POST', '/api/v1/auth/login', { body: { email, password: PASSWORD }, headers })
  await app.db.update(users).set({ active: false }).where(eq(users.id, id))
  const before = await app.db.$count(idempotencyKeys)
  t.equal((await post()).status, 401)
  t.equal(await app.db.$count(idempotencyKeys), before)
  await app.db.update(users).set({ active: true }).where(eq(users.id, id))
  t.equal((await post()).status, 200)
})

t.test('a used token ends its login, with an Idempotency-Key too', async (t) => {
  const { email } = await someone()
  const first = await login(email)
  const second = (await send('POST', '/api/v1/auth/refresh', { body: { refreshToken: first.refreshToken } })).body
  await app.db.update(sessions).set({ rotatedAt: sql`now() - interval '11 seconds'` })
  const headers = { 'idempotency-key': 'stolen' }
  const stolen = await send('POST', '/api/v1/auth/refresh', { body: { refreshToken: first.refreshToken }, headers })
  t.match(stolen, { status: 401, headers: { 'www-authenticate': /invalid_token/ } })
  t.equal(await me(second.accessToken), 401)
})

t.test('a refresh is no dry run: the preference is refused, and the token is not used up', async (t) => {
  const { email } = await someone()
  const { refreshToken } = await login(email)
  const refresh = (headers = {}) => send('POST', '/api/v1/auth/refresh', { body: { refreshToken }, headers })
  t.match(await refresh({ prefer: 'tx=rollback' }), { status: 400, body: { error: {} } })
  await app.db.update(sessions).set({ rotatedAt: sql`now() - interval '11 seconds'` })
  t.equal((await refresh()).status, 200)
})

t.test('the answers to the end of logins and to a new password are replayed', async (t) => {
  const { email } = await someone()
  const [one, two, three] = [await login(email), await login(email), await login(email)]
  const listed = (await send('GET', '/api/v1/auth/sessions', { as: one.accessToken })).body.data
  const other = listed.find(({ current }: { current: boolean }) => !current)
  t.equal((await twice(t, 'DELETE', `/api/v1/auth/sessions/${other.id}`, { as: one.accessToken })).status, 204)
  const body = { currentPassword: PASSWORD, newPassword: 'another canary altogether' }
  t.equal((await twice(t, 'POST', '/api/v1/auth/password', { as: one.accessToken, body })).status, 204)
  t.equal(await me(two.accessToken), 401)
  t.equal(await me(three.accessToken), 401)
  const { refreshToken } = one
  t.equal((await twice(t, 'POST', '/api/v1/auth/logout', { body: { refreshToken } })).status, 204)
  t.equal(await me(one.accessToken), 401)
})
