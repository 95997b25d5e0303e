import { once } from 'node:events'
import { get } from 'node:http'
import { text } from 'node:stream/consumers'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import t from 'tap'
import { chooseCoding } from '#src/http/content-encoding.ts'
import { makeUser, startApp } from '#test/support/app.ts'

const { app, send, someone } = await startApp(t)
const admin = await someone('admin')
const as = `Bearer ${admin.token}`
const body = { sku: 'OAK-1', name: 'Oak', description: 'walnut '.repeat(300), priceCents: 100, stock: 9 }
const small = { sku: 'OAK-2', name: 'Small', priceCents: 100, stock: 9 }
const large = (await send('POST', '/api/v1/products', { as: admin.token, body })).headers.location as string
const little = (await send('POST', '/api/v1/products', { as: admin.token, body: small })).headers.location as string

interface Ask {
  method?: 'GET' | 'HEAD' | 'POST' | 'PATCH'
  headers?: Record<string, string>
  payload?: object
}

async function ask(url: string, coding: string | undefined, { method = 'GET', headers = {}, payload }: Ask = {}) {
  const accept: Record<string, string> = coding === undefined ? {} : { 'accept-encoding': coding }
  const answer = await app.inject({
    method,
    url,
    headers: { authorization: as, ...accept, ...headers },
    ...(payload && { payload })
  })
  const sent = answer.headers['content-encoding']
  const decode = sent === 'br' ? brotliDecompressSync : sent === 'gzip' ? gunzipSync : (bytes: Buffer) => bytes
  const bytes = answer.rawPayload
  return {
    status: answer.statusCode,
    headers: answer.headers as Record<string, string | undefined>,
    sent,
    size: bytes.length,
    text: bytes.length === 0 ? '' : decode(bytes).toString()
  }
}

const paths = [
  '/api/v1/products',
  large,
  '/api/v1/products/export',
  '/openapi.json',
  '/docs/js/scalar.js',
  '/docs/errors'
]

for (const url of paths) {
  t.test(`${url}: compressed on request, with the same content`, async (t) => {
    const plain = await ask(url, undefined)
    t.match(plain.headers, { 'content-encoding': undefined, vary: /Accept-Encoding/ })
    for (const coding of ['br', 'gzip'] as const) {
      const answer = await ask(url, coding)
      t.match(answer, { status: 200, sent: coding, text: plain.text, headers: { vary: /Accept-Encoding/ } }, coding)
      t.ok(answer.size < plain.size / 2, `${answer.size} of ${plain.size} bytes`)
      const { etag } = plain.headers
      t.equal(answer.headers.etag, etag?.replace(/"$/, `-${coding}"`), 'other bytes have another tag')
      const head = await ask(url, coding, { method: 'HEAD' })
      for (const name of ['content-encoding', 'content-length', 'etag'])
        t.equal(head.headers[name], answer.headers[name], `HEAD ${name}`)
      if (!etag) continue
      for (const had of [etag, answer.headers.etag as string, `"x", W/${answer.headers.etag?.replace(/^W\//, '')}`]) {
        const again = await ask(url, coding, { headers: { 'if-none-match': had } })
        t.match(again, { status: 304, text: '', headers: { 'content-encoding': undefined } }, had)
        t.equal(again.headers.etag, had === etag ? etag : answer.headers.etag)
      }
      t.equal((await ask(url, coding, { headers: { 'if-none-match': '"other-gzip"' } })).status, 200)
    }
  })
}

t.test('a constant answer is compressed once, and validated for nothing', async (t) => {
  for (const url of ['/openapi.json', '/docs/', '/docs/js/scalar.js', '/docs/errors']) {
    const { headers } = await ask(url, undefined)
    t.match(headers, { etag: /^"[\w-]{22}"$/, 'cache-control': /no-cache|max-age/ }, url)
    t.equal((await ask(url, undefined, { headers: { 'if-none-match': headers.etag as string } })).status, 304)
  }
  const [first, second] = await Promise.all([ask('/openapi.json', 'br'), ask('/openapi.json', 'br')])
  t.equal(first.text, second.text)
  t.equal((await ask('/docs', 'br')).status, 301, 'a redirect stays one')
})

t.test('the tag of a compressed answer is valid for a change', async (t) => {
  const { headers } = await ask(large, 'gzip')
  const change = (tag: string) =>
    ask(large, undefined, { method: 'PATCH', headers: { 'if-match': tag }, payload: { stock: 5 } })
  t.equal((await change(headers.etag as string)).status, 200)
  t.equal((await change(headers.etag as string)).status, 412, 'once')
})

t.test('no compression where it would not help, and never beside a secret', async (t) => {
  t.equal((await ask(little, 'br')).sent, undefined, 'under 1 kB')
  for (const coding of ['identity', '', 'gzip;q=0, br;q=0', 'zstd']) t.equal((await ask(large, coding)).sent, undefined)
  const user = await makeUser(app, 'member')
  const login = { email: user.email, password: 'x'.repeat(128) }
  const scopes = Array.from({ length: 60 }, () => 'items:read')
  const key = await ask('/api/v1/api-keys', 'br', { method: 'POST', payload: { name: 'x'.repeat(100), scopes } })
  t.equal(key.sent, undefined)
  t.equal((await ask('/api/v1/auth/login', 'br', { method: 'POST', payload: login })).sent, undefined)
  t.equal((await ask('/api/v1/products', 'br', { method: 'POST', payload: { ...body, sku: 'OAK-3' } })).sent, undefined)
  const items = Array.from({ length: 40 }, (_, index) => ({ ...small, sku: `B-${index}` }))
  t.equal((await ask('/api/v1/products/bulk', 'br', { method: 'POST', payload: { items } })).sent, 'br', 'many rows')
})

t.test('the best accepted coding is sent', async (t) => {
  for (const [header, coding] of [
    ['gzip, deflate, br, zstd', 'br'],
    ['br;q=0.5, gzip', 'gzip'],
    ['gzip;q=0.5, br;q=0.5', 'br'],
    ['GZIP', 'gzip'],
    ['x-gzip', 'gzip'],
    ['*', 'br'],
    ['*;q=0.1, br;q=0', 'gzip'],
    ['identity;q=1, *;q=0', undefined],
    ['gzip;q=nonsense', undefined],
    ['deflate', undefined]
  ] as const) {
    t.equal(chooseCoding(header), coding, header)
    t.equal(chooseCoding(header), coding, `${header} again`)
  }
})

t.test('a client that leaves a compressed export ends it', async (t) => {
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as { port: number }
  const headers = { authorization: as, 'accept-encoding': 'gzip', accept: 'application/x-ndjson' }
  const request = get({ port, path: '/api/v1/products/export', headers })
  const [response] = await once(request, 'response')
  t.equal(response.headers['content-encoding'], 'gzip')
  request.destroy()
  await once(request, 'close')
  const alive = get({ port, path: '/livez' })
  const [answer] = await once(alive, 'response')
  t.match(await text(answer), /ok|true|\{/)
})
