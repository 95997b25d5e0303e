import { connect } from 'node:net'
import { PassThrough } from 'node:stream'
import { text as readAll } from 'node:stream/consumers'
import type { FastifyReply, FastifyRequest } from 'fastify'
import t from 'tap'
import { ApiError } from '#src/errors.ts'
import { describeRefusal } from '#src/http/describe-refusal.ts'
import { PASSWORD, startApp } from '#test/support/app.ts'

const CANARY = 'canary-5f2c-secret'

const log = new PassThrough()
let lines = ''
log.on('data', (chunk) => {
  lines += chunk
})
const settings = { LOG_LEVEL: 'debug', TRUST_PROXY: '127.0.0.0/8' }
const { app, send, someone } = await startApp(t, settings, { log })
const admin = await someone('admin')
function forget() {
  app.logLines.flush()
  lines = ''
}

function logged() {
  app.logLines.flush()
  return lines
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
}

t.test('one line for a request: the user, the route, the result and the duration', async (t) => {
  forget()
  const { headers } = await send('GET', '/api/v1/items?limit=5&title=x', { as: admin.token })
  const answered = logged().filter(({ method }) => method)
  t.equal(answered.length, 1)
  t.match(answered[0], {
    level: 30,
    requestId: headers['x-request-id'],
    method: 'GET',
    path: '/api/v1/items',
    route: '/api/v1/items',
    query: { limit: 5, title: 'x' },
    status: 200,
    ms: Number,
    userId: admin.id
  })
})

t.test('probes, scrapes and the files of the documentation have no line', async (t) => {
  forget()
  for (const path of ['/livez', '/readyz', '/metrics', '/docs/']) await send('GET', path)
  await send('GET', '/livez/nothing')
  t.same(
    logged().map(({ path }) => path),
    ['/livez/nothing']
  )
})

t.test('no value that a schema marks as secret, or does not declare, is written', async (t) => {
  forget()
  const as = admin.token
  await send('POST', '/api/v1/auth/login', { body: { email: 'a@example.com', password: CANARY } })
  await send('POST', '/api/v1/users', { as, body: { email: 'b@example.com', password: CANARY, name: 'B' } })
  await send('POST', '/api/v1/users', { as, body: { email: 'b@example.com', password: CANARY, name: 'B' } })
  await send('POST', '/api/v1/users', { as, body: { email: 'c@example.com', passwrd: CANARY, name: ['B', CANARY] } })
  await send('GET', `/api/v1/items?password=${CANARY}`, { as })
  await send('GET', '/api/v1/items', { headers: { authorization: `Bearer ${CANARY}` } })
  await send('GET', `/nothing?token=${CANARY}`, { as })
  app.logLines.flush()
  t.notMatch(lines, CANARY)
  t.notMatch(lines, /argon2|eyJ/)
  t.match(lines, /"password":"\[redacted\]"/)
  t.match(lines, /"passwrd":"\[unknown\]"/)
})

t.test('an internal error is logged with its stack and answered without a word of it', async (t) => {
  const routes = t.testdir({
    'broken.ts': `export default async (app) => void app.get(
      '/broken',
      { config: { access: 'public' }, schema: { response: { 200: { type: 'string' } } } },
      async () => { throw new Error('because', { cause: new Error('the deeper reason') }) }
    )`
  })
  const { send } = await startApp(t, { LOG_LEVEL: 'info' }, { log, routes })
  forget()
  const answer = await send('GET', '/broken')
  t.match(answer, { status: 500, body: { error: { code: 'INTERNAL' }, instance: answer.headers['x-request-id'] } })
  t.notMatch(answer.text, /because|reason|broken/)
  const [failure] = logged().filter(({ level }) => level === 50)
  t.match(failure, {
    requestId: answer.headers['x-request-id'],
    err: { message: 'because', stack: /broken\.ts/, cause: { message: 'the deeper reason' } }
  })
})

t.test('whatever a proxy forwards, the address is one, in every line and in a session', async (t) => {
  for (const [forwarded, ip] of [
    ['203.0.113.7', '203.0.113.7'],
    ['203.0.113.7:51234', '203.0.113.7'],
    ['2001:db8::1', '2001:db8::1'],
    ['[2001:db8::1]', '2001:db8::1'],
    ['[2001:db8::1]:443', '2001:db8::1'],
    ['198.51.100.1, 203.0.113.7', '203.0.113.7'],
    ['198.51.100.1, 127.0.0.3', '198.51.100.1'],
    ['"},"level":60,"x":"', '127.0.0.1'],
    ['junk, 203.0.113.7', '203.0.113.7'],
    ['203.0.113.7, junk', '127.0.0.1'],
    ['junk, 127.0.0.3', '127.0.0.3'],
    ['fe80::1%eth0', '127.0.0.1'],
    ['203.0.113.7:', '127.0.0.1'],
    ['999.1.1.1', '127.0.0.1'],
    ['unknown', '127.0.0.1'],
    ['', '127.0.0.1'],
    [' , ', '127.0.0.1']
  ] as const) {
    forget()
    await send('GET', '/nothing', { headers: { 'x-forwarded-for': forwarded } })
    t.equal(logged().find(({ method }) => method)?.ip, ip, forwarded)
  }
  const body = { email: admin.email, password: PASSWORD }
  const login = await send('POST', '/api/v1/auth/login', { body, headers: { 'x-forwarded-for': '"}\\u0000<script>' } })
  const { text } = await send('GET', '/api/v1/auth/sessions', { as: login.body.accessToken })
  t.match(text, /127\.0\.0\.1/)
  t.notMatch(text, /script/)
})

t.test('an untrusted proxy is reported once, with the setting', async (t) => {
  const { send } = await startApp(t, { LOG_LEVEL: 'warn' }, { log })
  forget()
  for (let count = 0; count < 3; count += 1)
    await send('GET', '/livez', { headers: { 'x-forwarded-for': '203.0.113.7' } })
  const warnings = logged().filter(({ setting }) => setting === 'TRUST_PROXY')
  t.match(warnings, [{ level: 40, header: 'X-Forwarded-For', ip: '127.0.0.1' }])
  t.equal(warnings.length, 1)
})

t.test('no personal value and no text that looks like a credential is written, wherever it was pasted', async (t) => {
  const as = admin.token
  const secrets = [
    'tn_live_7n42DGM5Tflk9n8mt7Fhc7_f0o',
    'eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl',
    'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    'Zx81kQpL0aBc2DeFgHiJkLmNoPqRsTuV',
    '9b74c9897bac770ffc029102a200c5de9b74c9897bac770f'
  ]
  forget()
  for (const secret of secrets) {
    await send('GET', `/api/v1/items?title=${secret}`, { as })
    await send('GET', `/api/v1/items?or=(title=${secret})`, { as })
    await send('GET', `/api/v1/items/${secret}`, { as })
    await send('GET', `/api/v1/${secret}`, { as })
  }
  for (const filter of ['email=', 'email[like]=', 'email[in]=', 'or=(role=x,email='])
    await send('GET', `/api/v1/users?${filter}jane@canary.example${filter.startsWith('or') ? ')' : ''}`, { as })
  app.logLines.flush()
  for (const secret of [...secrets, 'canary.example']) t.notOk(lines.includes(secret), secret)
  t.match(lines, /"email\[like\]":"\[redacted\]"/)
  forget()
  const kept = 'walnut desk 0192f0c1-2345-7abc-8def-0123456789ab incomprehensibilities'
  await send('GET', `/api/v1/items?title=${encodeURIComponent(kept)}`, { as })
  t.equal(logged().find(({ query }) => query)?.query.title, kept, 'words and ids stay')
})

t.test('a refusal names the client, the fault and its place, and the header or setting that decided', async (t) => {
  const tiers = '{"once": [{ "limit": 1, "seconds": 60 }]}'
  const one = await startApp(
    t,
    { LOG_LEVEL: 'info', CORS_ORIGINS: 'https://a.example', RATE_LIMIT_TIERS: tiers },
    { log }
  )
  const root = await one.someone('admin')
  const made = await one.send('POST', '/api/v1/api-keys', {
    as: root.token,
    body: { name: 'Once', scopes: ['items:read'], tier: 'once' }
  })
  await one.send('GET', '/api/v1/items', { as: made.body.key })
  const agent = { 'user-agent': 'till/2.1' }
  for (const [method, url, options, code, refusal] of [
    ['GET', '/api/v1/items', {}, 'UNAUTHENTICATED', { client: 'till/2.1' }],
    [
      'GET',
      '/api/v1/items',
      { as: made.body.key },
      'TOO_MANY_REQUESTS',
      {
        tier: 'once',
        limit: '1 in 60 s',
        setting: 'RATE_LIMIT_TIERS'
      }
    ],
    [
      'GET',
      '/api/v1/products?limit=0&shape=1',
      {},
      'VALIDATION_FAILED',
      {
        faults: ['query unknown', 'query/limit minimum']
      }
    ],
    [
      'POST',
      '/api/v1/products',
      { as: root.token, body: 'x', headers: { 'content-type': 'text/plain' } },
      'UNSUPPORTED_MEDIA_TYPE',
      { header: 'content-type: text/plain' }
    ],
    [
      'POST',
      '/api/v1/products',
      { as: root.token, body: `"${'x'.repeat(1_100_000)}"` },
      'PAYLOAD_TOO_LARGE',
      {
        header: /^content-length: 11/
      }
    ],
    [
      'GET',
      '/api/v1/products/export',
      { headers: { accept: 'image/png' } },
      'NOT_ACCEPTABLE',
      {
        header: 'accept: image/png'
      }
    ],
    [
      'GET',
      '/nothing',
      { headers: { origin: 'https://b.example' } },
      'NOT_FOUND',
      {
        origin: 'https://b.example',
        setting: 'CORS_ORIGINS'
      }
    ],
    [
      'POST',
      '/api/v1/auth/register',
      { body: { email: 'a@b.example', password: 'a fine password 1' } },
      'REGISTRATION_CLOSED',
      { setting: 'REGISTRATION' }
    ]
  ] as const) {
    one.app.logLines.flush()
    lines = ''
    const { headers = {}, ...rest } = options as { headers?: Record<string, string> }
    await one.send(method, url, { ...rest, headers: { ...agent, ...headers } })
    one.app.logLines.flush()
    const line = lines
      .split('\n')
      .map((text) => text && JSON.parse(text))
      .find(({ path }) => path)
    t.match(line, { code, refusal }, `${method} ${url} ${lines}`)
  }
  const chunked = { headers: {} } as FastifyRequest
  const unsent = describeRefusal(new ApiError('PAYLOAD_TOO_LARGE'), chunked, {} as FastifyReply)
  t.same(unsent, { header: 'content-length' }, 'the name of a header that was not sent')
  const { text } = await one.send('GET', '/metrics')
  t.match(text, /http_refusals_total\{code="TOO_MANY_REQUESTS",method="GET",route="\/api\/v1\/items"\} 1/)
  t.match(text, /http_refusals_total\{code="NOT_FOUND",method="any",route="none"\} 1/)
})

t.test('a malformed request has a line that names its fault', async (t) => {
  forget()
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as { port: number }
  const socket = connect(port, '127.0.0.1')
  socket.write(`GET / HTTP/1.1\r\nHost: a\r\nX-Long: ${'x'.repeat(20_000)}\r\n\r\n`)
  const answer = await readAll(socket)
  const id = /x-request-id: (\S+)/.exec(answer)?.[1]
  t.match(logged().at(-1), { requestId: id, ip: '127.0.0.1', code: 'HEADERS_TOO_LARGE', limit: '16 KiB of headers' })
})

t.test('the trace of a client is in its log line, in the lines of a failure, and in the answer', async (t) => {
  const trace = '4bf92f3577b34da6a3ce929d0e0e4736'
  const routes = t.testdir({
    'broken.ts': `export default async (app) => void app.get(
      '/broken',
      { config: { access: 'public' }, schema: { response: { 200: { type: 'string' } } } },
      async () => { throw new Error('because') }
    )`
  })
  const one = await startApp(t, { LOG_LEVEL: 'info' }, { log, routes })
  lines = ''
  const traceparent = `00-${trace}-00f067aa0ba902b7-01`
  const { headers } = await one.send('GET', '/broken', { headers: { traceparent } })
  one.app.logLines.flush()
  const traced = logged().filter(({ requestId }) => requestId === headers['x-request-id'])
  t.same(
    traced.map(({ traceId }) => traceId),
    [trace, trace]
  )
  t.match(headers.traceresponse, new RegExp(`^00-${trace}-[0-9a-f]{16}-01$`))
  t.notMatch(headers.traceresponse, /00f067aa0ba902b7/)
  lines = ''
  const wrong = await one.send('GET', '/broken', { headers: { traceparent: traceparent.replace('01', 'xx') } })
  t.notOk('traceresponse' in wrong.headers)
  t.notOk(logged().some((line) => 'traceId' in line))
})
