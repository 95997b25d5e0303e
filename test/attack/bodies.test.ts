import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import t from 'tap'
import { startApp } from '#test/support/app.ts'

const logged: string[] = []
const { app, send, someone } = await startApp(
  t,
  { LOG_LEVEL: 'warn' },
  { log: { write: (line: string) => logged.push(line) > 0 } }
)
const [admin, ada] = [await someone('admin'), await someone()]
await app.listen({ host: '127.0.0.1', port: 0 })
const { port } = app.server.address() as AddressInfo

const ID = '01890000-0000-7000-8000-000000000000'
const MIB = 1_048_576

/** Sends bytes as they are. Gives the whole answer until the server closes. */
async function raw(bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.write(bytes)
  return text(socket)
}

/** A request by Node's own client, which reports a reset of its connection. */
async function post(path: string, headers: OutgoingHttpHeaders, parts: Iterable<Buffer>, method = 'POST') {
  const request = httpRequest({ port, path, method, headers: { authorization: `Bearer ${admin.token}`, ...headers } })
  const answered = once(request, 'response') as Promise<[IncomingMessage]>
  for (const part of parts) request.write(part)
  request.end()
  const sent = once(request, 'close')
  const [response] = await answered
  const body = await text(response)
  await sent
  return { status: response.statusCode as number, headers: response.headers, body }
}

t.test('no bytes are no body, whatever type they are said to have', async (t) => {
  const withoutBytes: [name: string, lines: string[], rest: string][] = [
    ['no type', ['Content-Length: 0'], ''],
    ['the type of a form', ['Content-Type: application/x-www-form-urlencoded', 'Content-Length: 0'], ''],
    ['the type of JSON', ['Content-Type: application/json', 'Content-Length: 0'], ''],
    ['the type of JSON, no length', ['Content-Type: application/json'], ''],
    ['no chunks, no type', ['Transfer-Encoding: chunked'], '0\r\n\r\n'],
    ['no chunks, the type of JSON', ['Content-Type: application/json', 'Transfer-Encoding: chunked'], '0\r\n\r\n'],
    ['no chunks, another type', ['Content-Type: text/plain', 'Transfer-Encoding: chunked'], '0\r\n\r\n']
  ]
  const needNone: [line: string, status: number][] = [
    [`POST /api/v1/orders/${ID}/cancel`, 404],
    [`DELETE /api/v1/products/${ID}`, 404],
    [`POST /api/v1/api-keys/${ID}/rotate`, 404]
  ]
  const needOne: [line: string, statuses: number[]][] = [
    ['POST /api/v1/products', [400, 415, 422]],
    ['POST /api/v1/products/import', [415]],
    ['POST /oauth/token', [400]]
  ]
  for (const [name, lines, rest] of withoutBytes) {
    const bytes = (line: string) =>
      `${[`${line} HTTP/1.1`, 'Host: a', `Authorization: Bearer ${admin.token}`, 'Connection: close', ...lines].join('\r\n')}\r\n\r\n${rest}`
    for (const [line, status] of needNone)
      t.match(await raw(bytes(line)), new RegExp(`^HTTP/1.1 ${status} `), `${line}: ${name}`)
    for (const [line, statuses] of needOne)
      t.match(await raw(bytes(line)), new RegExp(`^HTTP/1.1 (${statuses.join('|')}) `), `${line}: ${name}`)
  }
})

t.test('a connection goes on after a refused body that was read, and after one that was not', async (t) => {
  const head = (path: string, body: string) =>
    [
      `POST ${path} HTTP/1.1`,
      'Host: a',
      'Content-Type: application/json',
      `Content-Length: ${body.length}`,
      '',
      body
    ].join('\r\n')
  const answers = await raw(
    `${head('/api/v1/auth/login', '{')}${head('/nothing', '{"a":1}')}${head('/api/v1/products', '{}')}GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`
  )
  t.same(answers.match(/HTTP\/1.1 \d+/g), ['HTTP/1.1 400', 'HTTP/1.1 404', 'HTTP/1.1 401', 'HTTP/1.1 200'])
})

t.test('a route that takes no body refuses one with content, and takes an empty object', async (t) => {
  for (const [method, url] of [
    ['POST', `/api/v1/orders/${ID}/cancel`],
    ['DELETE', `/api/v1/products/${ID}`]
  ] as const) {
    const sent = (body: string, type = 'application/json') =>
      send(method, url, { as: admin.token, body, headers: { 'content-type': type } })
    t.match(await sent('{"status":"paid"}'), { status: 422, body: { details: [{ in: 'body', path: '/status' }] } }, url)
    t.match(await sent('[]'), { status: 422 }, url)
    t.match(await sent('{'), { status: 400 }, url)
    t.match(await sent('status=paid', 'application/x-www-form-urlencoded'), { status: 415 }, url)
    t.match(await sent('{}'), { status: 404 }, url)
  }
})

t.test('a change that declares no query takes none', async (t) => {
  for (const [method, url, body] of [
    ['POST', '/api/v1/items', { title: 'a' }],
    ['PATCH', `/api/v1/products/${ID}`, { name: 'a' }],
    ['DELETE', `/api/v1/products/${ID}`, undefined],
    ['POST', `/api/v1/orders/${ID}/cancel`, undefined],
    ['POST', '/api/v1/auth/login', { email: 'a', password: 'b' }]
  ] as const) {
    const answer = await send(method, `${url}?dryRun=true`, { as: admin.token, body })
    t.match(answer, { status: 422, body: { details: [{ in: 'query', path: '/dryRun', code: 'unknown' }] } }, url)
  }
})

t.test('the refusal of a large body reaches a client that is still sending it', async (t) => {
  const part = Buffer.alloc(MIB, 'x')
  const twenty = Array(20).fill(part)
  const json = { 'content-type': 'application/json' }
  const refused: [name: string, path: string, headers: OutgoingHttpHeaders, status: number][] = [
    ['too long, with its length', '/api/v1/products', { ...json, 'content-length': 20 * MIB }, 413],
    ['too long, in chunks', '/api/v1/products', json, 413],
    ['without a credential', '/api/v1/products', { ...json, authorization: 'Bearer x' }, 401],
    ['to nowhere', '/nothing', json, 404],
    ['of a type that is not taken', '/api/v1/products', { 'content-type': 'text/plain' }, 415],
    ['an import whose header is no CSV', '/api/v1/products/import', { 'content-type': 'text/csv' }, 422],
    ['a form', '/oauth/token', { 'content-type': 'application/x-www-form-urlencoded' }, 400]
  ]
  for (const [name, path, headers, status] of refused) {
    const { headers: answered, ...rest } = await post(path, headers, twenty)
    t.equal(rest.status, status, name)
    t.not(answered.connection, 'close', name)
  }
})

t.test('what goes on being sent after its refusal is not read for ever', async (t) => {
  const socket = connect(port, '127.0.0.1')
  const closed = new Promise((done) => socket.on('error', () => {}).once('close', done))
  socket.write('POST /nothing HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 999999999999\r\n\r\n')
  const part = Buffer.alloc(MIB, 'x')
  const pour = () => {
    while (!socket.destroyed && socket.write(part));
  }
  socket.on('drain', pour)
  pour()
  socket.resume()
  await closed
  t.ok(socket.bytesWritten > 64 * MIB)
})

t.test('bodies come compressed, and their bound counts what they decode to', async (t) => {
  const encoders = { gzip: gzipSync, 'x-gzip': gzipSync, deflate: deflateSync, br: brotliCompressSync }
  const sent = (path: string, encoding: string, body: Buffer, type = 'application/json', as = ada.token) =>
    send('POST', path, { as, body, headers: { 'content-type': type, 'content-encoding': encoding } })
  for (const [encoding, encode] of Object.entries(encoders)) {
    const one = await sent('/api/v1/items', encoding, encode(JSON.stringify({ title: encoding })))
    t.match(one, { status: 201, body: { title: encoding } }, encoding)
    const rows = encode('{"title":"a"}\n{"title":"b"}\n')
    t.match(
      await sent('/api/v1/items/import', encoding, rows, 'application/x-ndjson'),
      { body: { created: 2 } },
      encoding
    )
    const form = encode('grant_type=nothing')
    const token = await sent('/oauth/token', encoding, form, 'application/x-www-form-urlencoded')
    t.match(token, { status: 400, body: { error: 'unsupported_grant_type' } }, encoding)
    const bomb = encode(Buffer.alloc(8 * MIB, ' '))
    t.match(await sent('/api/v1/items', encoding, bomb), { status: 413 }, `${encoding}: ${bomb.length} bytes`)
    t.match(await sent('/api/v1/items', encoding, Buffer.from('{"title":"a"}')), { status: 400 }, encoding)
    t.match(await sent('/api/v1/items', encoding, encode('{"title":"a"}').subarray(0, -9)), { status: 400 }, encoding)
    t.match(await sent('/api/v1/items/import', encoding, Buffer.from('x'), 'application/x-ndjson'), { status: 400 })
  }
  t.match(await sent('/api/v1/items', 'identity', Buffer.from('{"title":"a"}')), { status: 201 })
  for (const encoding of ['compress', 'gzip, br', 'toString']) {
    const answer = await sent('/api/v1/items', encoding, Buffer.from('{}'))
    t.match(answer, { status: 415, headers: { 'accept-encoding': 'gzip, deflate, br' } }, encoding)
  }
})

t.test('a body that is read in slices is taken and refused as a small one', async (t) => {
  const post = (body: object) => send('POST', '/api/v1/items/bulk', { as: ada.token, body })
  const items = Array.from({ length: 100 }, (_, index) => ({ title: `t${index}`, description: 'x'.repeat(1_000) }))
  t.match(await post({ items }), { status: 200, body: { created: 100 } })
  t.match(await post({ items: [...items, { title: 'a\0' }] }), {
    status: 422,
    body: { details: [{ path: '/items/100/title', code: 'text' }] }
  })
  const cells = `title\n${','.repeat(3_000)}\nfine\n`
  const sent = { as: ada.token, body: cells, headers: { 'content-type': 'text/csv' } }
  t.match((await send('POST', '/api/v1/items/import', sent)).body, { created: 1, failed: 1 })
})

t.test('a client that hangs up in the middle of a body is no failure of the database', async (t) => {
  for (const lines of [
    ['POST /api/v1/auth/login', 'Content-Type: application/json'],
    ['POST /api/v1/auth/login', 'Content-Type: application/json', 'Content-Encoding: gzip'],
    ['POST /api/v1/auth/login', 'Content-Type: text/plain', 'X-Wait: for bytes'],
    ['POST /oauth/token', 'Content-Type: application/x-www-form-urlencoded'],
    ['POST /api/v1/items/import', 'Content-Type: application/x-ndjson', `Authorization: Bearer ${ada.token}`],
    [
      'POST /api/v1/items/import',
      'Content-Type: text/csv',
      'Content-Encoding: gzip',
      `Authorization: Bearer ${ada.token}`
    ]
  ]) {
    const [line, ...headers] = lines
    const arrived = new Promise((done) => app.server.once('request', (request) => request.once('close', done)))
    const socket = connect(port, '127.0.0.1')
    socket.write(`${[`${line} HTTP/1.1`, 'Host: a', 'Content-Length: 100', ...headers].join('\r\n')}\r\n\r\n`)
    await once(app.server, 'request')
    socket.resetAndDestroy()
    await arrived
  }
  t.match(await raw('GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'), /^HTTP\/1.1 200 /)
  t.same(logged, [])
})
