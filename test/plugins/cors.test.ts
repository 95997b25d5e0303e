import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { corsHeaders, parseOrigins } from '#src/http/cors.ts'
import { startApp } from '#test/support/app.ts'

const origin = 'https://shop.example'
const [products, one] = ['/api/v1/products', '/api/v1/products/01890000-0000-7000-8000-000000000000']
const preflight = {
  origin,
  'access-control-request-method': 'PATCH',
  'access-control-request-headers': 'authorization'
}
const allowed = await startApp(t, {
  CORS_ORIGINS: `${origin},https://*.example.com`,
  RATE_LIMIT_TIERS: '{"once": [{ "limit": 1, "seconds": 60 }]}'
})
const admin = await allowed.someone('admin')
await allowed.app.listen({ host: '127.0.0.1', port: 0 })

t.test('no other origin may call, unless it is configured', async (t) => {
  const { send } = await startApp(t)
  const { headers } = await send('GET', products, { headers: { origin } })
  t.notOk('access-control-allow-origin' in headers)
  t.notOk('access-control-allow-origin' in (await send('OPTIONS', products, { headers: preflight })).headers)
})

t.test('a page can read every answer, refusals before the route included', async (t) => {
  const { send } = allowed
  const key = await send('POST', '/api/v1/api-keys', {
    as: admin.token,
    body: { name: 'Once', scopes: ['items:read'], tier: 'once' }
  })
  t.equal((await send('GET', '/api/v1/items', { as: key.body.key })).status, 200)
  const json = { 'content-type': 'application/json' }
  for (const [method, url, status, options] of [
    ['GET', products, 200, {}],
    ['GET', products, 401, { as: 'not a token' }],
    ['GET', '/api/v1/items', 401, {}],
    ['GET', '/api/v1/users', 403, { as: key.body.key }],
    ['GET', '/api/v1/items', 429, { as: key.body.key }],
    ['GET', products, 400, { as: admin.token, headers: { 'x-api-key': key.body.key } }],
    ['GET', `${products}/%zz`, 400, {}],
    ['GET', `${products}/${'9'.repeat(300)}`, 414, {}],
    ['POST', products, 400, { as: admin.token, body: '{' }],
    ['POST', products, 413, { as: admin.token, body: `"${'x'.repeat(1_100_000)}"` }],
    ['POST', products, 415, { as: admin.token, body: 'a', headers: { 'content-type': 'text/plain' } }],
    ['POST', products, 422, { as: admin.token, body: {}, headers: json }],
    ['DELETE', products, 405, {}],
    ['GET', '/nothing', 404, {}]
  ] as const) {
    const { headers = {}, ...rest } = options as { headers?: Record<string, string> }
    const answer = await send(method, url, { ...rest, headers: { ...headers, origin } })
    const where = `${method} ${url.slice(0, 60)} ${status}`
    t.equal(answer.status, status, where)
    t.equal(answer.headers['access-control-allow-origin'], origin, where)
    t.match(answer.headers['access-control-expose-headers'], /RateLimit.*Retry-After.*Allow, ETag.*X-Request-Id/, where)
    t.match(answer.headers, { 'x-request-id': /./, vary: /Origin/, 'x-content-type-options': 'nosniff' }, where)
  }
})

t.test('a page can read the refusal of a malformed request, too', async (t) => {
  const { port } = allowed.app.server.address() as { port: number }
  const refusedBy = async (head: string) => {
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    let text = ''
    socket.on('data', (part) => {
      text += part
    })
    socket.write(head)
    await once(socket, 'close')
    return text
  }
  const long = `GET / HTTP/1.1\r\nHost: a\r\nOrigin: ${origin}\r\nX-Long: ${'x'.repeat(20_000)}\r\n\r\n`
  t.match(await refusedBy(long), /^HTTP\/1.1 431[\s\S]*access-control-allow-origin: https:\/\/shop.example\r\n/)
  t.notMatch(await refusedBy(long.replace('shop', 'evil')), /access-control/)
  t.match(await refusedBy('nonsense\r\n\r\n'), /^HTTP\/1.1 400/)
  const nobody = await refusedBy(`GET / HTTP/1.1\r\nConnection: close\r\nOrigin: ${origin}\r\n\r\n`)
  t.match(nobody, /^HTTP\/1.1 400[\s\S]*access-control-allow-origin: https:\/\/shop.example\r\n/, 'a missing Host')
  t.match(corsHeaders(parseOrigins('*'), origin), { 'access-control-allow-origin': '*' })
})

t.test('a preflight names what is allowed; other OPTIONS requests get the methods of the path', async (t) => {
  const { send } = allowed
  t.match(await send('OPTIONS', one, { headers: preflight }), {
    status: 204,
    headers: {
      'access-control-allow-origin': origin,
      'access-control-allow-methods': /PATCH/,
      'access-control-allow-headers': 'authorization',
      'access-control-max-age': '3600',
      allow: 'DELETE, GET, HEAD, PATCH, PUT'
    }
  })
  const bare = { origin, 'access-control-request-method': 'GET' }
  t.notOk('access-control-allow-headers' in (await send('OPTIONS', one, { headers: bare })).headers)
  for (const headers of [{}, { origin }, { ...preflight, origin: 'https://evil.example' }] as Record<
    string,
    string
  >[]) {
    const answer = await send('OPTIONS', products, { headers })
    t.match(answer, { status: 204, headers: { allow: 'GET, HEAD, POST' } }, JSON.stringify(headers))
    t.notOk('access-control-allow-methods' in answer.headers)
    t.equal((await send('OPTIONS', '/nothing', { headers })).status, 404)
  }
  t.match(await send('OPTIONS', '/nothing', { headers: preflight }), {
    status: 404,
    headers: { 'access-control-allow-origin': origin }
  })
})

t.test('a public page reaches a private network only where its origin is named', async (t) => {
  const headers = { ...preflight, 'access-control-request-private-network': 'true' }
  const named = await allowed.send('OPTIONS', products, { headers })
  t.equal(named.headers['access-control-allow-private-network'], 'true')
  const { send } = await startApp(t, { CORS_ORIGINS: '*' })
  const any = await send('OPTIONS', products, { headers })
  t.match(any, { status: 204, headers: { 'access-control-allow-origin': '*' } })
  t.notOk('access-control-allow-private-network' in any.headers)
  t.notOk('access-control-allow-credentials' in any.headers, 'there are no cookies')
  t.match(await send('GET', '/nothing', { headers: { origin } }), {
    status: 404,
    headers: { 'access-control-allow-origin': '*' }
  })
})

t.test('origins are matched as browsers write them', async (t) => {
  const origins = parseOrigins(
    'https://Shop.example:443,http://localhost:5173,https://*.example.com,http://*.dev.test:81'
  )
  const yes = ['https://shop.example', 'http://localhost:5173', 'https://a.example.com', 'https://a-1.b.example.com']
  for (const one of [...yes, 'http://x.dev.test:81']) t.ok(origins.has(one), one)
  const no = [
    'http://shop.example',
    'https://shop.example:8443',
    'https://example.com',
    'https://evilexample.com',
    'null'
  ]
  const tricks = [
    'https://.example.com',
    'https://evil.test/.example.com',
    'https://a..example.com',
    'http://a.example.com'
  ]
  for (const one of [...no, ...tricks, 'http://x.dev.test', undefined]) t.notOk(origins.has(one), String(one))
})

t.test('an origin that no browser sends stops the start', async (t) => {
  for (const text of [
    'https://*',
    'https://a.*.example',
    'https://*.*.example',
    'https://shop.example/',
    'https://shop.example/app',
    'shop.example',
    'ftp://shop.example',
    '*,https://shop.example',
    'https://user@shop.example',
    'https://*example.com',
    'null'
  ]) {
    t.throws(() => parseOrigins(text), /^must be \* or origins without a path/, text)
  }
})
