import { createServer, type RequestListener } from 'node:http'
import { exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose'
import t, { type Test } from 'tap'
import { scopesOf } from '#src/identity/external/issuer.ts'
import { IssuerKeys } from '#src/identity/external/jwks.ts'
import { type IssuerSettings, parseTrustedIssuers } from '#src/identity/external/trusted-issuers.ts'
import { startApp } from '#test/support/app.ts'

/** An issuer of the test's own, over HTTP. */
async function startIssuer(t: Test, answer: (url: string) => object | undefined | RequestListener) {
  const seen: { url: string; at: number }[] = []
  const server = createServer((request, response) => {
    seen.push({ url: request.url as string, at: performance.now() })
    const body = answer(request.url as string)
    if (typeof body === 'function') return void body(request, response)
    response.statusCode = body ? 200 : 404
    response.setHeader('content-type', 'application/json').end(JSON.stringify(body ?? {}))
  })
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

t.test('tokens of a trusted issuer act for a user of their own, within their role', async (t) => {
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
  const me = (await send('GET', '/api/v1/users/me', { as: token })).body
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

t.test('whatever comes, an issuer is asked at most once a second', async (t) => {
  const key = await makeKey('one')
  const issuer = await startIssuer(t, () => ({ keys: [key.jwk] }))
  const keys = new IssuerKeys(issuer.origin, `${issuer.origin}/keys`)
  const start = performance.now()
  while (performance.now() - start < 2500) {
    const unknown = Array.from({ length: 20 }, (_, index) => keys.get({ alg: 'ES256', kid: `k${index}` }, {} as never))
    await Promise.allSettled(unknown)
  }
  // Counted over the whole time: on a busy machine a request may arrive some hundred milliseconds after it was sent.
  const seconds = (performance.now() - start) / 1000
  t.ok(
    issuer.seen.length >= 2 && issuer.seen.length <= Math.floor(seconds) + 1,
    `${issuer.seen.length} in ${seconds} s`
  )
})

t.test('keys that came since are found, and are looked for again after a while', async (t) => {
  const [one, two] = [await makeKey('one'), await makeKey('two')]
  const served = [one.jwk]
  const issuer = await startIssuer(t, () => ({ keys: served }))
  const keys = new IssuerKeys(issuer.origin, `${issuer.origin}/keys`, 0)
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
      const keys = new IssuerKeys(issuer.origin, `${issuer.origin}/keys`)
      const start = performance.now()
      await t.rejects(Promise.resolve(keys.get({ alg: 'ES256', kid: 'one' }, {} as never)), name)
      t.ok(performance.now() - start < 3000, `${name} within its two seconds`)
    })
  )
})

t.test('metadata is believed only of the issuer itself', async (t) => {
  const issuer = await startIssuer(t, () => ({ issuer: 'http://other.test', jwks_uri: 'http://127.0.0.1:1/' }))
  const keys = new IssuerKeys(`${issuer.origin}/tenant`, undefined)
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

t.test('TRUSTED_ISSUERS, and what is wrong with it', async (t) => {
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
