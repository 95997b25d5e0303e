import { createServer, type RequestListener } from 'node:http'
import { exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose'
import t, { type Test } from 'tap'
import { scopesOf } from '#src/identity/external/issuer.ts'
import { IssuerKeys } from '#src/identity/external/jwks.ts'
import { type IssuerSettings, parseTrustedIssuers } from '#src/identity/external/trusted-issuers.ts'
import { Outbound } from '#src/outbound/outbound.ts'
import { startApp } from '#test/support/app.ts'

const outbound = new Outbound()
t.teardown(() => outbound.close())

/** An issuer of the test, over HTTP. */
async function startIssuer(t: Test, answer: (url: string) => object | undefined | RequestListener) {
  const seen: { url: string; at: number }[] = []
  const server = createServer((request, response) => {
    seen.push({ url: request.url as string, at: performance.now() })
    const body = answer(request.url as string)
    if (typeof body === 'function') return void body(request, response)
    response.statusCode = body ? 200 : 404
    response.setHeader('content-type', 'application/json').end(JSON.stringify(body ?? {}))
  })
  // A client that comes back on a kept connection must not meet its end on a slow machine.
  server.keepAliveTimeout = 60_000
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const end = () => {
    server.closeAllConnections()
    return new Promise((done) => server.close(done))
  }
  t.teardown(end)
  return { origin: `http://127.0.0.1:${(server.address() as { port: number }).port}`, seen, end }
}

async function makeKey(kid: string, alg = 'ES256') {
  const { privateKey, publicKey } = await generateKeyPair(alg)
  const jwk: JWK = { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' }
  const sign = (iss: string, claims: object = {}, header: object = {}, expiresIn = 600) =>
    new SignJWT({ sub: 'someone', aud: 'tenon', ...claims })
      .setProtectedHeader({ alg, kid, typ: 'at+jwt', ...header })
      .setIssuer(iss)
      .setIssuedAt()
      .setExpirationTime(Math.floor(Date.now() / 1000) + expiresIn)
      .sign(privateKey)
  return { jwk, sign }
}

t.test('tokens of a trusted issuer act for a user of their own, within its role', async (t) => {
  const key = await makeKey('one')
  const issuer = await startIssuer(t, (url) => {
    if (url === '/.well-known/oauth-authorization-server')
      return { issuer: issuer.origin, jwks_uri: `${issuer.origin}/keys` }
    return url === '/keys' ? { keys: [key.jwk] } : undefined
  })
  const { app, send, someone } = await startApp(t, { TRUSTED_ISSUERS: issuer.origin })
  const admin = await someone('admin')
  const token = await key.sign(issuer.origin, { scope: 'items:read items:write users:read' })
  const [made, again] = await Promise.all([
    send('POST', '/api/v1/items', { as: token, body: { title: 'theirs' } }),
    send('GET', '/api/v1/items', { as: await key.sign(issuer.origin, { scope: 'items:read' }) })
  ])
  t.equal(made.status, 201)
  t.equal(again.status, 200)
  t.equal((await send('GET', '/api/v1/users', { as: token })).status, 403, 'no more than the role')
  t.equal((await send('GET', '/api/v1/orders', { as: token })).status, 403, 'no more than the claims')
  t.equal(
    (await send('GET', '/api/v1/orders', { as: await key.sign(issuer.origin) })).status,
    200,
    'without claims the role'
  )
  t.equal((await send('GET', '/api/v1/auth/sessions', { as: token })).status, 403)
  t.equal((await send('GET', '/api/v1/users/me', { as: token })).status, 403, 'a token with scopes is narrowed')
  const me = (await send('GET', '/api/v1/users/me', { as: await key.sign(issuer.origin) })).body
  t.match(me, { role: 'member', name: 'someone' })
  t.equal(me.id, made.body.ownerId)

  const refused: [string, string][] = [
    ['another audience', await key.sign(issuer.origin, { aud: 'other' })],
    ['another issuer', await key.sign('http://other.test')],
    ['expired', await key.sign(issuer.origin, {}, {}, -1)],
    ['an id token', await key.sign(issuer.origin, {}, { typ: 'logout+jwt' })],
    ['no subject', await key.sign(issuer.origin, { sub: undefined })],
    ['an empty subject', await key.sign(issuer.origin, { sub: '' })],
    ['a subject that cannot be stored', await key.sign(issuer.origin, { sub: 'a\0b' })],
    ['a key of somebody else', await (await makeKey('one')).sign(issuer.origin)],
    ['an unknown key', await (await makeKey('two')).sign(issuer.origin)]
  ]
  for (const [name, token] of refused) t.equal((await send('GET', '/api/v1/items', { as: token })).status, 401, name)

  await send('PATCH', `/api/v1/users/${me.id}`, { as: admin.token, body: { active: false } })
  t.equal((await send('GET', '/api/v1/items', { as: token })).status, 401)
  await send('DELETE', `/api/v1/users/${me.id}`, { as: admin.token })
  const anew = await send('GET', '/api/v1/users/me', { as: await key.sign(issuer.origin, { jti: 'anew' }) })
  t.not(anew.body.id, me.id, 'who was deleted comes back as somebody new: disabling keeps them out')
  await issuer.end()
  t.equal(
    (await app.inject({ url: '/api/v1/items', headers: { authorization: `Bearer ${await key.sign(issuer.origin)}` } }))
      .statusCode,
    200,
    'known keys go on when the issuer is down'
  )
})

t.test('keys are fetched from an issuer at most once a second', async (t) => {
  const key = await makeKey('one')
  const issuer = await startIssuer(t, () => ({ keys: [key.jwk] }))
  const keys = new IssuerKeys(outbound, issuer.origin, `${issuer.origin}/keys`)
  const start = performance.now()
  while (performance.now() - start < 2500) {
    const unknown = Array.from({ length: 20 }, (_, index) => keys.get({ alg: 'ES256', kid: `k${index}` }, {} as never))
    await Promise.allSettled(unknown)
  }
  // Counted over the whole time: on a busy machine a request may arrive some hundred milliseconds late.
  const seconds = (performance.now() - start) / 1000
  t.ok(
    issuer.seen.length >= 2 && issuer.seen.length <= Math.floor(seconds) + 1,
    `${issuer.seen.length} in ${seconds} s`
  )
})

t.test('new keys are found, and are fetched again after a while', async (t) => {
  const [one, two] = [await makeKey('one'), await makeKey('two')]
  const served = [one.jwk]
  const issuer = await startIssuer(t, () => ({ keys: served }))
  const keys = new IssuerKeys(outbound, issuer.origin, `${issuer.origin}/keys`, 0)
  keys.prefetch()
  t.ok(await keys.get({ alg: 'ES256', kid: 'one' }, {} as never))
  served.push(two.jwk)
  const find = () =>
    Promise.resolve(keys.get({ alg: 'ES256', kid: 'two' }, {} as never)).then(
      () => true,
      () => false
    )
  let isFound = false
  while (!isFound) isFound = await find()
  t.ok(await keys.get({ alg: 'ES256', kid: 'one' }, {} as never))
})

t.test('a slow, large, broken, moved or silent answer is no answer', async (t) => {
  const answers: Record<string, RequestListener> = {
    large: (_request, response) => void response.end(`{"keys":["${'x'.repeat(1_048_577)}"]}`),
    broken: (_request, response) => void response.end('{'),
    moved: (_request, response) => void response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(),
    failing: (_request, response) => void response.writeHead(500).end(),
    silent: () => {}
  }
  await Promise.all(
    Object.entries(answers).map(async ([name, answer]) => {
      const issuer = await startIssuer(t, () => answer)
      const keys = new IssuerKeys(outbound, issuer.origin, `${issuer.origin}/keys`)
      const start = performance.now()
      await t.rejects(Promise.resolve(keys.get({ alg: 'ES256', kid: 'one' }, {} as never)), name)
      t.ok(performance.now() - start < 3000, `${name} within its two seconds`)
    })
  )
})

t.test('metadata is trusted only from the issuer itself', async (t) => {
  const issuer = await startIssuer(t, () => ({ issuer: 'http://other.test', jwks_uri: 'http://127.0.0.1:1/' }))
  const keys = new IssuerKeys(outbound, `${issuer.origin}/tenant`, undefined)
  await t.rejects(Promise.resolve(keys.get({ alg: 'ES256', kid: 'one' }, {} as never)))
  t.same(
    issuer.seen.map(({ url }) => url),
    ['/tenant/.well-known/openid-configuration', '/.well-known/oauth-authorization-server/tenant']
  )
})

t.test('claims become scopes', async (t) => {
  const settings = (more: Partial<IssuerSettings>) =>
    ({ ...parseTrustedIssuers('http://a.test', 'tenon')[0], ...more }) as IssuerSettings
  const cases: [JWTPayload, Partial<IssuerSettings>, string[] | undefined][] = [
    [{}, {}, undefined],
    [{ scope: 'items:read openid' }, {}, ['items:read']],
    // The scopes of OpenID Connect say nothing about this API, so the role counts.
    [{ scope: 'openid profile email' }, {}, undefined],
    [{ scope: 'profile email offline_access' }, {}, undefined],
    // A claim that is present and grants nothing must not grant the whole role.
    ...['', 0, false, null, {}, [], [7, {}]].map((scope): [JWTPayload, object, string[]] => [{ scope }, {}, []]),
    [{ scope: '', scp: ['*'] }, {}, []],
    [{ permissions: [] }, {}, []],
    [{ scope: 'openid reports.read' }, {}, []],
    [{ scope: 'openid' }, { scopeClaim: 'scope' }, []],
    [{ scope: 'openid' }, { scopes: { reader: ['items:read'] } }, []],
    [{ scp: ['items:read'] }, {}, ['items:read']],
    [{ permissions: ['orders:read'] }, {}, ['orders:read']],
    [{ scope: 'items:read' }, { scopeClaim: 'roles' }, []],
    [
      { realm_access: { roles: ['reader', 'toString'] } },
      { scopeClaim: 'realm_access.roles', scopes: { reader: ['items:read'] } },
      ['items:read']
    ],
    [{ 'https://a.test/roles': ['items:read'] }, { scopeClaim: 'https://a.test/roles' }, ['items:read']],
    [{ scope: 'reader *' }, { scopes: { reader: ['items:read'] } }, ['items:read']]
  ]
  for (const [claims, more, wanted] of cases) {
    const scopes = scopesOf(claims, settings(more))
    t.same(scopes && [...scopes], wanted, JSON.stringify(claims))
  }
})

t.test('tokens in the shapes of the usual issuers', async (t) => {
  const key = await makeKey('one', 'RS256')
  const server = await startIssuer(t, () => ({ keys: [key.jwk] }))
  const [keycloak, auth0, entra, cognito, clerk, better, dedicated] = [
    'https://keycloak.example/realms/shop',
    'https://auth0.example',
    'https://entra.example/tenant/v2.0',
    'https://cognito.example/pool',
    'https://clerk.example',
    'https://better.example',
    'https://dedicated.example'
  ] as const
  const from = (issuer: string, more: object) => ({ issuer, jwksUri: `${server.origin}/keys`, ...more })
  const TRUSTED_ISSUERS = JSON.stringify([
    from(keycloak, { audience: 'account', scopeClaim: 'realm_access.roles', scopes: { clerk: ['orders:read'] } }),
    from(auth0, { audience: 'https://api.example' }),
    from(entra, { audience: 'api-id', scopes: { 'Orders.Read': ['orders:read'] } }),
    from(cognito, { audience: 'app-client', audienceClaim: 'client_id' }),
    from(clerk, { audience: 'https://shop.example', audienceClaim: 'azp' }),
    from(better, { audience: better }),
    from(dedicated, { audience: null })
  ])
  const { send } = await startApp(t, { TRUSTED_ISSUERS, RATE_LIMIT_ENABLED: 'false' })
  const now = Math.floor(Date.now() / 1000)
  const jwt = { typ: 'JWT' }
  const none = { typ: undefined }
  const realm = { aud: 'account', realm_access: { roles: ['offline_access', 'clerk'] }, scope: 'profile email' }
  const userinfo = ['https://api.example', 'https://auth0.example/userinfo']
  const pool = { aud: undefined, client_id: 'app-client', token_use: 'access' }
  // The access of a token to orders and to items.
  const shapes: [string, string, object, object, number, number][] = [
    ['Keycloak', keycloak, { ...realm, typ: 'Bearer', azp: 'web' }, jwt, 200, 403],
    ['an ID token of Keycloak', keycloak, { ...realm, typ: 'ID' }, jwt, 401, 401],
    ['Keycloak without a role', keycloak, { ...realm, realm_access: undefined }, jwt, 403, 403],
    ['Auth0, for a login', `${auth0}/`, { aud: userinfo, scope: 'openid profile email' }, jwt, 200, 200],
    ['Auth0, with permissions', `${auth0}/`, { aud: userinfo, permissions: ['items:read'] }, jwt, 403, 200],
    ['Auth0, for another API', `${auth0}/`, { aud: 'https://other.example' }, jwt, 401, 401],
    ['Entra', entra, { aud: 'api-id', scp: 'Orders.Read', nbf: now }, jwt, 200, 403],
    ['Entra, of another tenant', 'https://entra.example/other/v2.0', { aud: 'api-id' }, jwt, 401, 401],
    ['Cognito', cognito, { ...pool, scope: 'aws.cognito.signin.user.admin' }, none, 200, 200],
    ['an ID token of Cognito', cognito, { ...pool, aud: 'app-client', token_use: 'id' }, none, 401, 401],
    ['Cognito, for another client', cognito, { ...pool, aud: 'app-client', client_id: 'other' }, none, 401, 401],
    ['Clerk', clerk, { aud: undefined, azp: 'https://shop.example', sid: 'sess_1' }, jwt, 200, 200],
    ['Clerk, for another page', clerk, { aud: undefined, azp: 'https://evil.example' }, jwt, 401, 401],
    ['Clerk without azp', clerk, { aud: 'https://shop.example' }, jwt, 401, 401],
    ['Better Auth', better, { aud: better, email: 'ada@example.com' }, none, 200, 200],
    ['an issuer for this API alone', dedicated, { aud: undefined }, jwt, 200, 200],
    ['a clock 8 s ahead', better, { aud: better, nbf: now + 8 }, jwt, 200, 200],
    ['a clock a minute ahead', better, { aud: better, nbf: now + 60 }, jwt, 401, 401]
  ]
  for (const [name, issuer, claims, header, orders, items] of shapes) {
    const as = await key.sign(issuer, claims, header)
    const statuses = []
    for (const resource of ['orders', 'items']) statuses.push((await send('GET', `/api/v1/${resource}`, { as })).status)
    t.same(statuses, [orders, items], name)
  }
})

t.test('an issuer that is down delays only the first request', async (t) => {
  const issuer = await startIssuer(t, () => () => {})
  const keys = new IssuerKeys(outbound, issuer.origin, `${issuer.origin}/keys`)
  const find = (kid: string) => Promise.resolve(keys.get({ alg: 'ES256', kid }, {} as never))
  await t.rejects(find('first'))
  const start = performance.now()
  for (let count = 0; count < 20; count += 1) await t.rejects(find(`k${count}`))
  t.ok(performance.now() - start < 1000, `20 in ${Math.round(performance.now() - start)} ms`)
})

t.test('an issuer with a role that does not exist stops the start', async (t) => {
  const TRUSTED_ISSUERS = JSON.stringify([{ issuer: 'http://a.test', jwksUri: 'http://127.0.0.1:1/', role: 'nothing' }])
  const message = 'TRUSTED_ISSUERS names the role nothing, which does not exist'
  await t.rejects(startApp(t, { TRUSTED_ISSUERS }), { name: 'TrustedIssuerError', message })
})

t.test('the metadata names every scope, also where OpenID Connect clients read it', async (t) => {
  const { send } = await startApp(t, { JWT_ISSUER: 'https://api.example/' })
  const { body } = await send('GET', '/.well-known/oauth-authorization-server')
  for (const scope of ['*', 'items:read', 'items:*', 'orders:fulfil', 'products:read', 'oauth:introspect'])
    t.ok(body.scopes_supported.includes(scope), scope)
  const openid = (await send('GET', '/.well-known/openid-configuration')).body
  t.match(openid, { ...body, subject_types_supported: ['public'] })
})

t.test('TRUSTED_ISSUERS and its errors', async (t) => {
  t.same(parseTrustedIssuers('', 'tenon'), [])
  t.match(parseTrustedIssuers('http://a.test, https://b.test', 'tenon'), [
    { issuer: 'http://a.test', audience: 'tenon', role: 'member' },
    { issuer: 'https://b.test' }
  ])
  t.match(
    parseTrustedIssuers('[{"issuer":"http://a.test","audience":"x","role":"reader","algorithms":["ES256"]}]', 'tenon'),
    [{ audience: 'x', role: 'reader', algorithms: ['ES256'] }]
  )
  t.throws(() => parseTrustedIssuers('a.test', 'tenon'))
  t.throws(() => parseTrustedIssuers('[{]', 'tenon'), /JSON/)
  t.throws(() => parseTrustedIssuers('[{"issuer":"http://a.test","algorithms":["HS256"]}]', 'tenon'))
})
