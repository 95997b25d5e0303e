import { setTimeout as wait } from 'node:timers/promises'
import t from 'tap'
import { createClient } from '#src/tools/client/runtime/client.ts'
import { blocksIn, type FollowOptions, follow } from '#src/tools/client/runtime/events.ts'
import { list } from '#src/tools/client/runtime/pages.ts'
import { linesOf, Rows } from '#src/tools/client/runtime/rows.ts'
import { type UploadOptions, upload } from '#src/tools/client/runtime/upload.ts'
import { startService } from '#test/support/service.ts'

const failureOf = (call: Promise<unknown>) =>
  call.then(
    () => 'none',
    (error) => error
  )

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const one of source) found.push(one)
  return found
}

t.test('a list: its first page, all pages, all rows', async (t) => {
  const { origin, seen } = await startService(t, (response, { url }) => {
    const page = Number(/cursor=(\d)/.exec(url)?.[1] ?? 1)
    const next = page < 3 ? `${page + 1}` : null
    response.writeHead(200, { 'content-type': 'application/json', etag: `"${page}"` })
    response.end(JSON.stringify({ data: [page, page], page: { limit: 2, next, previous: null } }))
  })
  const client = createClient({ baseUrl: origin })
  const ask = () => list<number>(client, { method: 'GET', path: '/', query: { limit: 2, offset: 1 }, isTagged: true })
  t.match(await ask(), { data: [1, 1], page: { next: '2' } })
  t.equal(seen.length, 1, 'no page that was not asked for')
  t.same(await all(ask()), [1, 1, 2, 2, 3, 3])
  t.same(
    seen.map(({ url }) => url),
    ['/?limit=2&offset=1', '/?limit=2&offset=1', '/?limit=2&cursor=2', '/?limit=2&cursor=3']
  )
  t.equal((await all(ask().pages())).length, 3)
  t.equal(seen.at(-1)?.headers['if-none-match'], undefined, 'later pages are not kept')
})

t.test('an export, row after row and as bytes', async (t) => {
  const { origin, seen } = await startService(t, (response, { headers }) => {
    if (headers.prefer) return void response.writeHead(202, { 'content-type': 'application/json' }).end('{"id":"job"}')
    if (headers.accept === 'text/csv') return void response.end('id\n1\n')
    response.write('{"id":1}\n\n{"id":')
    return void setTimeout(() => response.end('2}\n{"id":3}'), 20)
  })
  const rows = new Rows<{ id: number }, { id: string }>(createClient({ baseUrl: origin }), { method: 'GET', path: '/' })
  t.same(await all(rows), [{ id: 1 }, { id: 2 }, { id: 3 }])
  t.equal(seen[0]?.headers['request-timeout'], undefined, 'its length is not bounded')
  t.equal(await new Response(await rows.stream('text/csv')).text(), 'id\n1\n')
  t.same(await rows.later(), { id: 'job' })
  t.match(seen[2]?.headers, { prefer: 'respond-async', accept: 'application/x-ndjson, application/json;q=0.9' })
})

t.test('an export that is left, that falls silent, that breaks off, and that is empty', async (t) => {
  let closed = 0
  const { origin } = await startService(t, (response, { url }) => {
    response.on('close', () => {
      closed += 1
    })
    if (url === '/empty') return void response.writeHead(204).end()
    response.write('{"id":1}\n')
    if (url === '/broken') setTimeout(() => response.destroy(), 20)
  })
  const client = createClient({ baseUrl: origin, maxRetries: 0 })
  const ask = (path: string, timeoutMs = 100) => new Rows(client, { method: 'GET', path, options: { timeoutMs } })
  for await (const row of ask('/silent')) {
    t.same(row, { id: 1 })
    break
  }
  while (closed === 0) await wait(1)
  t.match(await failureOf(all(ask('/silent'))), { name: 'TimeoutError' })
  t.match(await failureOf(all(ask('/broken', 5_000))), { name: 'ConnectionError' })
  t.same(await all(ask('/empty')), [])
  // A slow reader is not a silent server.
  const reader = (await ask('/silent', 50).stream()).getReader()
  t.ok((await reader.read()).value)
  await wait(100)
  t.match(await failureOf(reader.read()), { name: 'TimeoutError' })
})

t.test('an import of every kind of source', async (t) => {
  let failures = 0
  const { origin, seen } = await startService(t, (response) => {
    failures -= 1
    if (failures >= 0) return void response.writeHead(503).end()
    return void response.writeHead(200, { 'content-type': 'application/json' }).end('{"created":1}')
  })
  const client = createClient({ baseUrl: origin, credential: { headers: async () => ({}), renew: async () => true } })
  const send = (rows: Parameters<typeof upload>[2], options: UploadOptions = {}) =>
    upload<object>(client, { method: 'POST', path: '/', isKeyed: true, options }, rows)
  const many = Array.from({ length: 3_000 }, (_, id) => ({ id, text: 'x'.repeat(30) }))
  const lines = many.map((row) => `${JSON.stringify(row)}\n`).join('')
  async function* later() {
    yield* many
  }
  for (const rows of [
    many,
    new Set(many),
    later(),
    () => later(),
    lines,
    new Blob([lines]),
    new Blob([lines]).stream(),
    []
  ])
    t.same(await send(rows), { created: 1 })
  t.same(
    seen.map(({ body }) => body === lines),
    [true, true, true, true, true, true, true, false]
  )
  t.match(seen[0]?.headers, { 'content-type': 'application/x-ndjson', 'request-timeout': undefined })
  await send('id\n1', { format: 'text/csv' })
  t.match(seen.at(-1)?.headers, { 'content-type': 'text/csv' })

  Object.assign(globalThis, { document: {} })
  await send(new Set(many))
  Reflect.deleteProperty(globalThis, 'document')
  t.match(seen.at(-1), { body: lines, headers: { 'content-length': `${lines.length}` } }, 'a page sends a blob')

  failures = 1
  const before = seen.length
  await send(() => later())
  t.equal(seen.length - before, 2, 'what can be read again is sent again')
  t.equal(seen.at(-1)?.headers['idempotency-key'], seen.at(-2)?.headers['idempotency-key'])
  failures = 1
  t.match(await failureOf(send(later())), { status: 503 }, 'what can be read once is not')
})

t.test('a stream that was read is not sent again with another credential', async (t) => {
  const { origin, seen } = await startService(t, (response) => void response.writeHead(401).end())
  const client = createClient({ baseUrl: origin, credential: { headers: async () => ({}), renew: async () => true } })
  const rows = new Set([1])
  t.match(await failureOf(upload(client, { method: 'POST', path: '/', isKeyed: true }, rows)), { status: 401 })
  t.equal(seen.length, 1)
})

t.test(
  'the error of a source is the error of the import, and a source is told when nothing more is read',
  async (t) => {
    const { origin } = await startService(t, (response) => void response.end('{}'))
    const client = createClient({ baseUrl: origin, timeoutMs: 1_000 })
    async function* broken() {
      yield 1
      throw new Error('the file is gone')
    }
    const operation = { method: 'POST', path: '/', isKeyed: true }
    t.match(await failureOf(upload(client, operation, () => broken())), { message: 'the file is gone' })
    const leaving = new AbortController()
    const ended = new Promise<void>((resolve) => {
      async function* endless() {
        try {
          for (;;) {
            yield 'x'.repeat(10_000)
            await wait(1)
          }
        } finally {
          resolve()
        }
      }
      const { signal } = leaving
      failureOf(upload(client, { ...operation, options: { signal } }, endless())).then(() => {})
    })
    setTimeout(() => leaving.abort(), 20)
    await ended
  }
)

t.test('lines end with LF, CR LF or CR, in whatever pieces they come', async (t) => {
  const text = 'a\nb\r\nc\rd\r\n\r\nä\r'
  const bytes = new TextEncoder().encode(text)
  for (const size of [1, 2, 3, bytes.length]) {
    const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, n) =>
      bytes.slice(n * size, (n + 1) * size)
    )
    t.same(await all(linesOf(ReadableStream.from(pieces))), ['a', 'b', 'c', 'd', '', 'ä'], `${size}`)
  }
})

t.test('blocks of events, as the standard has them', async (t) => {
  const lines = [
    ': comment',
    'retry: 10',
    'id: 1',
    '',
    'data: a',
    'data:b',
    'event: x',
    'id',
    '',
    'retry: soon',
    'id: \0',
    ''
  ]
  async function* given() {
    yield* [...lines, 'data: \u2028', '', 'data: cut off']
  }
  t.same(await all(blocksIn(given())), [{ retryMs: 10, id: '1' }, { data: 'a\nb', id: '' }, {}, { data: '\u2028' }])
})

t.test(
  'events are followed across connections that end, break off, fall silent and are refused for a while',
  async (t) => {
    let turn = 0
    const { origin, seen } = await startService(t, (response, { headers }) => {
      turn += 1
      if (turn === 3) return void response.writeHead(503).end()
      if (turn === 6)
        return void response
          .writeHead(410, { 'content-type': 'application/json' })
          .end('{"error":{"code":"EVENTS_GONE"}}')
      const from = Number(headers['last-event-id'] ?? 0)
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      if (headers['last-event-id'] === 'none') return void response.end('data: {"n":0}\n\n')
      response.write(`retry: 1\nid: ${from}\n\nid: ${from + 1}\ndata: {"n":${from + 1}}\n\n`)
      if (turn === 1) response.end()
      if (turn === 2) setTimeout(() => response.destroy(), 10)
      return undefined
    })
    const client = createClient({ baseUrl: origin })
    const ask = (options?: FollowOptions) => follow<{ n: number }>(client, { method: 'GET', path: '/' }, options)
    const found: unknown[] = []
    const failure = await failureOf(
      (async () => {
        for await (const one of ask({ timeoutMs: 50 })) found.push(one)
      })()
    )
    t.same(
      found,
      [1, 2, 3, 4].map((n) => ({ cursor: `${n}`, event: { n } }))
    )
    t.match(failure, { code: 'EVENTS_GONE' })
    t.match(seen[0]?.headers, { accept: 'text/event-stream', 'last-event-id': undefined })
    for await (const { event } of ask({ after: '7' })) {
      t.equal(event.n, 8)
      break
    }
    for await (const { cursor } of ask()) {
      t.equal(cursor, '1')
      break
    }
    for await (const { cursor } of ask({ after: 'none' })) {
      t.equal(cursor, 'none', 'an event without an id moves no cursor')
      break
    }
    const anonymous = async () => new Response('data: {"n":0}\n\n')
    const odd = createClient({ baseUrl: origin, fetch: anonymous })
    for await (const one of follow(odd, { method: 'GET', path: '/' })) {
      t.same(one, { cursor: '', event: { n: 0 } })
      break
    }
  }
)
