import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'
import t from 'tap'
import { PASSWORD } from '../support/app.ts'
import { serveApp } from '../support/serve.ts'

const { app, origin, send, someone } = await serveApp(t, { OAUTH_PASSWORD_GRANT: 'true' })
const admin = await someone('admin')
const member = await someone()
const insecure = { [oauth.allowInsecureRequests]: true }
const { id, key } = (
  await send('POST', '/api/v1/api-keys', {
    as: admin.token,
    body: { name: 'a service', scopes: ['products:read', 'products:write', 'oauth:introspect'] }
  })
).body as { id: string; key: string }
const post = async (path: string, form: Record<string, string>, headers: Record<string, string> = {}) => {
  const response = await app.inject({
    method: 'POST',
    url: `/oauth/${path}`,
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    payload: new URLSearchParams(form).toString()
  })
  return { status: response.statusCode, body: response.json() }
}
const basic = (user: string, secret: string) => ({
  authorization: `Basic ${Buffer.from(`${encodeURIComponent(user)}:${encodeURIComponent(secret)}`).toString('base64')}`
})

async function discover() {
  const issuer = new URL(origin)
  const response = await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure })
  return oauth.processDiscoveryResponse(issuer, response)
}

t.test('oauth4webapi: discovery, client_credentials, introspection, revocation, RFC 9068', async (t) => {
  const server = await discover()
  const client: oauth.Client = { client_id: id }
  for (const auth of [oauth.ClientSecretBasic(key), oauth.ClientSecretPost(key)]) {
    const parameters = new URLSearchParams({ scope: 'products:read' })
    const answered = await oauth.clientCredentialsGrantRequest(server, client, auth, parameters, insecure)
    t.equal(answered.headers.get('cache-control'), 'no-store')
    t.equal(answered.headers.get('pragma'), 'no-cache')
    const tokens = await oauth.processClientCredentialsResponse(server, client, answered)
    t.match(tokens, { token_type: 'bearer', expires_in: 600, scope: 'products:read' })

    const request = new Request(`${origin}/api/v1/products`, {
      headers: { authorization: `Bearer ${tokens.access_token}` }
    })
    const claims = await oauth.validateJwtAccessToken(server, request, 'tenon', {
      ...insecure,
      signingAlgorithms: ['EdDSA', 'Ed25519']
    })
    t.match(claims, { sub: id, client_id: id, scope: 'products:read' })

    const looked = await oauth.introspectionRequest(server, client, auth, tokens.access_token, insecure)
    t.match(await oauth.processIntrospectionResponse(server, client, looked), { active: true, client_id: id })
    const ended = await oauth.revocationRequest(server, client, auth, tokens.access_token, insecure)
    await oauth.processRevocationResponse(ended)
    const after = await oauth.introspectionRequest(server, client, auth, tokens.access_token, insecure)
    t.same(await oauth.processIntrospectionResponse(server, client, after), { active: false })
    t.equal((await fetch(request)).status, 401)
  }
})

t.test('oauth4webapi: a refresh token continues a login, and ends it', async (t) => {
  const server = await discover()
  const login = await send('POST', '/api/v1/auth/login', { body: { email: member.email, password: PASSWORD } })
  const client: oauth.Client = { client_id: 'tenon' }
  const refresh = async (token: string, parameters = {}) => {
    const options = { ...insecure, additionalParameters: parameters }
    const response = await oauth.refreshTokenGrantRequest(server, client, oauth.None(), token, options)
    return oauth.processRefreshTokenResponse(server, client, response)
  }
  const narrowed = await refresh(login.body.refreshToken, { scope: 'items:read' })
  t.equal(narrowed.scope, 'items:read')
  t.equal((await send('GET', '/api/v1/items', { as: narrowed.access_token })).status, 200)
  t.equal((await send('GET', '/api/v1/orders', { as: narrowed.access_token })).status, 403)
  const whole = await refresh(narrowed.refresh_token as string)
  t.equal((await send('GET', '/api/v1/orders', { as: whole.access_token })).status, 200)
  const more = await post('token', {
    grant_type: 'refresh_token',
    refresh_token: whole.refresh_token as string,
    scope: 'users:read'
  })
  t.match(more.body, { error: 'invalid_scope' })
  t.match((await post('introspect', { token: whole.refresh_token as string }, basic(id, key))).body, {
    active: true,
    client_id: 'tenon',
    sub: member.id
  })
  await oauth.processRevocationResponse(
    await oauth.revocationRequest(server, client, oauth.None(), whole.refresh_token as string, insecure)
  )
  t.equal((await send('GET', '/api/v1/orders', { as: whole.access_token })).status, 401)
  t.match(await refresh(whole.refresh_token as string).catch((error) => error), { error: 'invalid_grant' })
})

t.test('openid-client: discovery, client credentials, introspection, revocation', async (t) => {
  const config = await openid.discovery(new URL(origin), id, key, openid.ClientSecretBasic(key), {
    algorithm: 'oauth2',
    execute: [openid.allowInsecureRequests]
  })
  const tokens = await openid.clientCredentialsGrant(config, { scope: 'products:write' })
  t.equal(tokens.scope, 'products:write')
  t.match(await openid.tokenIntrospection(config, tokens.access_token), { active: true })
  await openid.tokenRevocation(config, tokens.access_token)
  t.same(await openid.tokenIntrospection(config, tokens.access_token), { active: false })
  const first = await openid.genericGrantRequest(config, 'password', { username: member.email, password: PASSWORD })
  const second = await openid.refreshTokenGrant(config, first.refresh_token as string)
  t.ok(second.access_token)
  t.match(await openid.refreshTokenGrant(config, 'tnr_no').catch((error) => error), { error: 'invalid_grant' })
})
