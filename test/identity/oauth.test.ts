import { createRemoteJWKSet, jwtVerify } from 'jose'
import t from 'tap'
import { refreshLogin } from '#src/identity/sessions/start-login.ts'
import type { RefreshToken } from '#src/identity/tokens/refresh-tokens.ts'
import { PASSWORD, startApp } from '#test/support/app.ts'
import { serveApp } from '#test/support/serve.ts'

const { app, origin, send, someone } = await serveApp(t, { OAUTH_PASSWORD_GRANT: 'true' })
const admin = await someone('admin')
const member = await someone()

async function makeClient(scopes = ['products:read', 'products:write']) {
  const { body } = await send('POST', '/api/v1/api-keys', { as: admin.token, body: { name: 'a service', scopes } })
  return { id: body.id as string, key: body.key as string }
}
const { id, key } = await makeClient(['products:read', 'products:write', 'oauth:introspect'])
const post = async (path: string, form: Record<string, string> | string, headers: Record<string, string> = {}) => {
  const body = typeof form === 'string' ? form : new URLSearchParams(form).toString()
  const response = await app.inject({
    method: 'POST',
    url: `/oauth/${path}`,
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    payload: body
  })
  return { status: response.statusCode, headers: response.headers, body: response.payload ? response.json() : null }
}
const basic = (user: string, secret: string) => ({
  authorization: `Basic ${Buffer.from(`${encodeURIComponent(user)}:${encodeURIComponent(secret)}`).toString('base64')}`
})

t.test('jose verifies our tokens with our JWKS', async (t) => {
  const keys = createRemoteJWKSet(new URL(`${origin}/.well-known/jwks.json`))
  const { payload, protectedHeader } = await jwtVerify(member.token, keys, {
    issuer: origin,
    audience: 'tenon',
    typ: 'at+jwt',
    algorithms: ['EdDSA'],
    requiredClaims: ['sub', 'client_id', 'iat', 'exp', 'jti', 'scope', 'sid']
  })
  t.equal(payload.sub, member.id)
  t.ok(protectedHeader.kid)
})

t.test('a login through a client ends with the client, and has no more scopes than it', async (t) => {
  const client = await makeClient(['products:read', 'items:read'])
  const password = { grant_type: 'password', username: member.email, password: PASSWORD }
  const { body: tokens } = await post('token', password, basic(client.id, client.key))
  t.equal((await send('GET', '/api/v1/items', { as: tokens.access_token })).status, 200)
  t.equal((await send('GET', '/api/v1/orders', { as: tokens.access_token })).status, 403)
  const again = { grant_type: 'refresh_token', refresh_token: tokens.refresh_token }
  t.match((await post('token', again)).body, { error: 'invalid_grant' }, 'it needs its client')
  t.match((await post('token', again, basic(id, key))).body, { error: 'invalid_grant' })
  t.equal((await send('POST', '/api/v1/auth/refresh', { body: { refreshToken: tokens.refresh_token } })).status, 401)
  for (const token of [tokens.access_token, tokens.refresh_token]) {
    t.match(await post('revoke', { token }), { status: 400, body: { error: 'unauthorized_client' } })
  }
  const next = await post('token', again, basic(client.id, client.key))
  t.equal(next.status, 200)
  await send('DELETE', `/api/v1/api-keys/${client.id}`, { as: admin.token })
  t.equal((await send('GET', '/api/v1/items', { as: next.body.access_token })).status, 401)
})

t.test('a refresh keeps the granted scopes: it may ask for fewer, and more are refused', async (t) => {
  const granted = {
    grant_type: 'password',
    username: member.email,
    password: PASSWORD,
    scope: 'items:read items:write'
  }
  let { body: tokens } = await post('token', granted)
  const refresh = async (scope?: string) => {
    const form = { grant_type: 'refresh_token', refresh_token: tokens.refresh_token, ...(scope && { scope }) }
    const answer = await post('token', form)
    if (answer.status === 200) tokens = answer.body
    return answer
  }
  const make = () => send('POST', '/api/v1/items', { as: tokens.access_token, body: { title: 'x' } })
  const look = async (token: string) => (await post('introspect', { token }, basic(id, key))).body.scope
  const claim = () => JSON.parse(Buffer.from(tokens.access_token.split('.')[1], 'base64url').toString()).scope
  const agree = async (scope: string) => {
    t.same([tokens.scope, claim(), await look(tokens.access_token)], [scope, scope, scope])
    t.equal(await look(tokens.refresh_token), 'items:read items:write', 'the login itself stays as it was granted')
  }
  await agree('items:read items:write')
  t.equal((await send('GET', '/api/v1/orders', { as: tokens.access_token })).status, 403)
  for (const more of ['orders:read', 'items:read orders:read', 'items:*', '*', 'users:read', 'openid']) {
    t.match(await refresh(more), { status: 400, body: { error: 'invalid_scope' } }, more)
  }
  t.equal((await refresh('items:read')).status, 200)
  await agree('items:read')
  t.equal((await make()).status, 403)
  t.equal((await refresh()).status, 200)
  await agree('items:read items:write')
  t.equal((await make()).status, 201)
  const login = await send('POST', '/api/v1/auth/refresh', { body: { refreshToken: tokens.refresh_token } })
  t.match(login, { status: 200, body: { scope: 'items:read items:write' } }, 'by the other route too')
  t.equal((await send('GET', '/api/v1/orders', { as: login.body.accessToken })).status, 403)
})

t.test('a login with a key as its client names its real scopes', async (t) => {
  const client = await makeClient(['items:*', 'products:write'])
  const as = basic(client.id, client.key)
  const grant = { grant_type: 'password', username: member.email, password: PASSWORD }
  const first = (await post('token', grant, as)).body
  const scope = 'items:read items:write items:delete'
  const refreshed = (await post('token', { grant_type: 'refresh_token', refresh_token: first.refresh_token }, as)).body
  for (const tokens of [first, refreshed]) t.same(new Set(tokens.scope.split(' ')), new Set(scope.split(' ')))
  t.equal((await post('introspect', { token: refreshed.refresh_token }, as)).body.scope, refreshed.scope)
  t.match((await post('token', { ...grant, scope: 'orders:read' }, as)).body, { error: 'invalid_scope' })
  const off = { as: admin.token, body: { enabled: false } }
  await send('PATCH', `/api/v1/api-keys/${client.id}`, off)
  for (const token of [refreshed.access_token, refreshed.refresh_token])
    t.same((await post('introspect', { token }, basic(id, key))).body, { active: false })
})

t.test('a client sees its own tokens, those of its user, or all tokens with a scope', async (t) => {
  const theirs = await send('POST', '/api/v1/api-keys', { as: member.token, body: { name: 'a client', scopes: [] } })
  const as = basic(theirs.body.id, theirs.body.key)
  const look = async (token: string) => (await post('introspect', { token }, as)).body.active
  const own = (await post('token', { grant_type: 'client_credentials' }, as)).body.access_token
  t.same([await look(own), await look(member.token), await look(admin.token)], [true, true, false])
})

t.test('tokens of a secret end with it', async (t) => {
  const client = await makeClient(['items:read'])
  const as = basic(client.id, client.key)
  const tokens = [
    (await post('token', { grant_type: 'client_credentials' }, as)).body,
    (await post('token', { grant_type: 'password', username: member.email, password: PASSWORD }, as)).body
  ]
  const call = (token: string) => send('GET', '/api/v1/items', { as: token })
  const statuses = async () =>
    [await call(tokens[0].access_token), await call(tokens[1].access_token)].map((one) => one.status)
  const rotate = async (overlapSeconds: number) =>
    (await send('POST', `/api/v1/api-keys/${client.id}/rotate`, { as: admin.token, body: { overlapSeconds } })).body.key
  t.same(await statuses(), [200, 200])
  const second = await rotate(60)
  t.same(await statuses(), [200, 200], 'while the secret before goes on, its tokens do')
  const next = (await post('token', { grant_type: 'client_credentials' }, basic(client.id, second))).body.access_token
  await rotate(0)
  t.same(await statuses(), [401, 401])
  t.equal((await call(next)).status, 401)
})

t.test('the password grant and its limits', async (t) => {
  const grant = { grant_type: 'password', username: member.email, password: PASSWORD }
  t.match((await post('token', { ...grant, scope: 'items:read' })).body, { scope: 'items:read' })
  t.match((await post('token', { ...grant, scope: 'users:read' })).body, { error: 'invalid_scope' })
  t.match(await post('token', { ...grant, password: 'wrong' }), { status: 400, body: { error: 'invalid_grant' } })
  t.match((await post('token', { grant_type: 'password' })).body, { error: 'invalid_request' })
  const { app } = await serveApp(t)
  const off = await app.inject({
    method: 'POST',
    url: '/oauth/token',
    payload: new URLSearchParams(grant).toString(),
    headers: { 'content-type': 'application/x-www-form-urlencoded' }
  })
  t.match(off.json(), { error: 'unsupported_grant_type' })
})

t.test('errors are those of RFC 6749', async (t) => {
  const ok = { grant_type: 'client_credentials' }
  const scenarios: [string, Record<string, string> | string, Record<string, string>, number, string][] = [
    ['no grant type', {}, {}, 400, 'invalid_request'],
    ['a grant type of its own', { grant_type: 'constructor' }, {}, 400, 'unsupported_grant_type'],
    ['no client', ok, {}, 401, 'invalid_client'],
    ['only an id', { ...ok, client_id: id }, {}, 401, 'invalid_client'],
    ['a wrong secret', ok, basic(id, `${key.slice(0, -1)}!`), 401, 'invalid_client'],
    ['the secret of another', ok, basic(id, (await makeClient()).key), 401, 'invalid_client'],
    ['an id that is none', ok, basic('nobody', 'secret'), 401, 'invalid_client'],
    ['a bearer token', ok, { authorization: `Bearer ${key}` }, 401, 'invalid_client'],
    ['no Basic credential', ok, { authorization: 'Basic ?' }, 401, 'invalid_client'],
    ['Basic without a colon', ok, { authorization: 'Basic eA==' }, 401, 'invalid_client'],
    ['two ways', { ...ok, client_secret: key }, basic(id, key), 400, 'invalid_request'],
    ['two ids', { ...ok, client_id: admin.id }, basic(id, key), 400, 'invalid_request'],
    ['a scope that is not had', { ...ok, scope: 'users:read' }, basic(id, key), 400, 'invalid_scope'],
    ['sent twice', 'grant_type=client_credentials&grant_type=password', {}, 400, 'invalid_request'],
    ['JSON', '{}', { 'content-type': 'application/json' }, 400, 'invalid_request'],
    ['no refresh token', { grant_type: 'refresh_token' }, {}, 400, 'invalid_request'],
    ['too large', { ...ok, scope: 'x'.repeat(70_000) }, {}, 400, 'invalid_request'],
    [
      'an access token to refresh',
      { grant_type: 'refresh_token', refresh_token: member.token },
      {},
      400,
      'invalid_grant'
    ]
  ]
  for (const [name, form, headers, status, error] of scenarios) {
    const answer = await post('token', form, headers)
    t.equal(answer.status, status, name)
    t.equal(answer.body.error, error, name)
    t.type(answer.body.error_description, 'string')
    t.equal(answer.headers['cache-control'], 'no-store')
    if (status === 401) t.equal(answer.headers['www-authenticate'], 'Basic realm="tenon"', name)
  }
  t.match(await post('introspect', { token: member.token }), { status: 401, body: { error: 'invalid_client' } })
  t.match(
    await post('revoke', { token: 'nothing of ours' }),
    { status: 200, headers: { 'content-length': '0' } },
    'without a body'
  )
  t.match((await post('introspect', { token: 'nothing of ours' }, basic(id, key))).body, { active: false })
})

t.test('a token of a service is cached while it is valid, and is refused after its revocation', async (t) => {
  const { body } = await post('token', { grant_type: 'client_credentials' }, basic(id, key))
  const call = () => send('GET', '/api/v1/products', { as: body.access_token })
  t.same([(await call()).status, (await call()).status], [200, 200])
  t.equal((await post('revoke', { token: 'no token of anybody' }, basic(id, key))).status, 200)
  t.equal((await call()).status, 200)
  t.match(await post('revoke', { token: body.access_token }, basic(id, key)), {
    status: 200,
    headers: { 'content-length': '0' }
  })
  t.equal((await call()).status, 401)
})

t.test('the secret alone, and empty parameters, are accepted', async (t) => {
  const secret = key.slice(key.lastIndexOf('_') + 1)
  const answer = await post('token', {
    grant_type: 'client_credentials',
    scope: '',
    client_id: id,
    client_secret: secret
  })
  t.equal(answer.status, 200)
  t.same(answer.body.scope.split(' ').sort(), ['oauth:introspect', 'products:read', 'products:write'])
})

t.test("the revocation of a login's access token ends the login", async (t) => {
  const somebody = await someone()
  t.equal((await send('GET', '/api/v1/users/me', { as: somebody.token })).status, 200)
  t.equal((await post('revoke', { token: somebody.token, client_id: 'tenon' })).status, 200)
  t.equal((await send('GET', '/api/v1/users/me', { as: somebody.token })).status, 401)
})

t.test('half a credential and an invalid token are refused', async (t) => {
  const half = await post('token', { grant_type: 'client_credentials', client_secret: key })
  t.match(half, { status: 401, body: { error: 'invalid_client' } })
  const none = await post('token', { grant_type: 'refresh_token', refresh_token: 'nonsense', scope: 'items:read' })
  t.match(none, { status: 400, body: { error: 'invalid_grant' } })
})

t.test('an outage of the database is reported as such', async (t) => {
  const { app } = await serveApp(t)
  const gone = Object.assign(new Error('gone'), { code: 'CONNECTION_CLOSED' })
  app.identity.principals.resolve = () => Promise.reject(gone)
  const failed = await app.inject({
    method: 'POST',
    url: '/oauth/token',
    payload: 'grant_type=client_credentials',
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...basic(id, key) }
  })
  t.match(failed.json(), { error: 'temporarily_unavailable' })
  t.equal(failed.statusCode, 503)
  t.equal(failed.headers['retry-after'], '1')
  // Its credential is optional: one that is not valid is passed over, and one that could not be checked is not.
  const logout = await app.inject({ method: 'POST', url: '/api/v1/auth/logout', headers: { 'x-api-key': key } })
  t.equal(logout.statusCode, 503)
})

t.test('an internal error reveals no details', async (t) => {
  const { app } = await serveApp(t)
  app.identity.tokens.sign = () => Promise.reject(new Error('a secret of ours'))
  const failed = await app.inject({
    method: 'POST',
    url: '/oauth/introspect',
    payload: 'token=x',
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...basic(id, key) }
  })
  t.equal(failed.statusCode, 401)
  app.identity.principals.resolve = () => Promise.reject(new Error('a secret of ours'))
  const broken = await app.inject({
    method: 'POST',
    url: '/oauth/token',
    payload: 'grant_type=client_credentials',
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...basic(id, key) }
  })
  t.equal(broken.statusCode, 500)
  t.match(broken.json(), { error: 'server_error' })
  t.notMatch(broken.payload, 'a secret of ours')
})

t.test('a refresh that began before its client was switched off gives no tokens', async (t) => {
  const client = await makeClient()
  const user = await someone()
  const password = { grant_type: 'password', username: user.email, password: PASSWORD }
  const { body } = await post('token', password, basic(client.id, client.key))
  const token = app.identity.refreshTokens.read(body.refresh_token) as RefreshToken
  await send('PATCH', `/api/v1/api-keys/${client.id}`, { as: admin.token, body: { enabled: false } })
  t.equal(await refreshLogin(app.identity, app.db, token, (clientId) => clientId === client.id), undefined)
})

t.test('a refresh token is revoked by its client, and the metadata names the grants that are on', async (t) => {
  const body = { email: member.email, password: PASSWORD }
  const { refreshToken } = (await send('POST', '/api/v1/auth/login', { body })).body
  t.equal((await post('revoke', { token: refreshToken })).status, 200)
  t.equal((await send('POST', '/api/v1/auth/refresh', { body: { refreshToken } })).status, 401)
  t.equal(app.identity.principals.isAsleep, false)
  const grantsOf = async (one: typeof send) =>
    (await one('GET', '/.well-known/oauth-authorization-server')).body.grant_types_supported
  t.same(await grantsOf(send), ['client_credentials', 'refresh_token', 'password'])
  t.same(await grantsOf((await startApp(t)).send), ['client_credentials', 'refresh_token'])
})
