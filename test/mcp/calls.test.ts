import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { startApp } from '#test/support/app.ts'
import { ACCEPT, makeMcp } from '#test/support/mcp.ts'

const lines: string[] = []
const { app, send, someone } = await startApp(
  t,
  { LOG_LEVEL: 'info', TRUST_PROXY: '127.0.0.1' },
  { log: { write: (text: string) => Boolean(lines.push(...text.trim().split('\n'))) } }
)
const admin = await someone('admin')
const member = await someone()
const mcp = makeMcp(app, member.token)
const shop = makeMcp(app, admin.token)
const text = ({ content }: { content: { text: string }[] }) => content.map((one) => one.text).join('\n')

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await sleep(5)
}

t.test('a call is the same request as over HTTP: one Idempotency-Key counts for both', async (t) => {
  const body = { title: 'Bread' }
  const key = randomUUID()
  const made = await mcp.call('createItem', { headers: { 'idempotency-key': key }, body })
  t.match(made.structuredContent, { title: 'Bread', ownerId: member.id })
  t.match(text(made), /etag: "1"\nlocation: \/api\/v1\/items\//)
  const again = await mcp.call('createItem', { headers: { 'idempotency-key': key }, body })
  t.same(again.structuredContent, made.structuredContent)
  t.match(text(again), /idempotency-replayed: true/)
  const headers = { 'idempotency-key': key }
  t.equal((await send('POST', '/api/v1/items', { as: member.token, body, headers })).body.id, made.structuredContent.id)
  t.match(await mcp.call('createItem', { headers, body: { title: 'Salt' } }), {
    isError: true,
    structuredContent: { error: { code: 'IDEMPOTENCY_KEY_REUSED' } }
  })
})

t.test("another user's rows are not found, and stale changes are refused", async (t) => {
  const { body } = await send('POST', '/api/v1/items', { as: member.token, body: { title: 'Mine' } })
  const path = { id: body.id }
  const other = makeMcp(app, (await someone()).token)
  t.match(await other.call('readItem', { path }), { isError: true, structuredContent: { status: 404 } })
  t.match(await other.call('deleteItem', { path }), { isError: true, structuredContent: { status: 404 } })
  const stale = await mcp.call('updateItem', { path, headers: { 'if-match': '"9"' }, body: { title: 'New' } })
  t.match(stale, { isError: true, structuredContent: { error: { code: 'PRECONDITION_FAILED' } } })
  const dry = await mcp.call('deleteItem', { path, headers: { prefer: 'tx=rollback' } })
  t.match(text(dry), /^204, without a body\npreference-applied: tx=rollback$/)
  t.notOk(dry.isError)
  t.equal((await mcp.call('readItem', { path })).structuredContent.title, 'Mine')
})

t.test('values are validated by the route, and every fault has its place', async (t) => {
  const refused = await shop.call('createProduct', { body: { sku: 'A', name: 'Oak', priceCents: '7', odd: 1 } })
  t.match(refused, { isError: true, structuredContent: { status: 422 } })
  const places = refused.structuredContent.details.map(
    ({ in: part, path }: { in: string; path: string }) => part + path
  )
  t.same(places.sort(), ['body/odd', 'body/priceCents'])
  const list = await mcp.call('listProducts', { query: { limit: 500 } })
  t.match(list.structuredContent.details, [{ in: 'query', path: '/limit', code: 'maximum' }])
  t.match((await shop.call('createProduct')).structuredContent, { status: 422 }, 'a body is needed')
})

t.test('lists, commas and groups of a query arrive as they are meant', async (t) => {
  const names = ['Oak, solid', 'Pine', 'Elm']
  for (const name of names)
    await shop.call('createProduct', { body: { sku: randomUUID(), name, priceCents: name.length, tags: ['comma'] } })
  const list = async (query: object) => {
    const { structuredContent } = await mcp.call('listProducts', { query: { 'tags[has]': ['comma'], ...query } })
    return structuredContent.data.map(({ name }: { name: string }) => name)
  }
  t.same(await list({ 'name[in]': ['Oak, solid', 'Elm'], sort: ['-priceCents', 'name'] }), ['Oak, solid', 'Elm'])
  t.same(await list({ name: 'Oak, solid' }), ['Oak, solid'])
  t.same(await list({ or: ['(name=Pine,name=Elm)', '(priceCents=3,priceCents=10)'] }), ['Elm'])
  t.same(await list({ active: true, 'priceCents[gte]': 4, limit: 1, sort: ['priceCents'] }), ['Pine'])
})

t.test('arguments cannot change the caller, the headers or the route of the request', async (t) => {
  const { body } = await send('POST', '/api/v1/items', { as: admin.token, body: { title: 'Of the admin' } })
  const path = { id: body.id }
  for (const name of [
    'authorization',
    'x-api-key',
    'host',
    'x-forwarded-for',
    'x-request-id',
    'content-type',
    'cookie'
  ]) {
    const refused = await mcp.call('updateItem', { path, headers: { [name]: `Bearer ${admin.token}` }, body: {} })
    t.match(refused.structuredContent.details, [{ in: 'headers', path: `/${name}`, code: 'unknown' }], name)
  }
  const split = await mcp.call('updateItem', { path, headers: { prefer: `x\r\nauthorization: Bearer ${admin.token}` } })
  t.match(split.structuredContent.details, [{ in: 'headers', path: '/prefer', code: 'pattern' }])
  t.match((await mcp.call('readItem', { path, 'a\n/b': 1 })).structuredContent.details, [
    { in: 'body', code: 'unknown' }
  ])
  t.match((await mcp.call('listItems', { query: { 'limit=1&ownerId': 1 } })).structuredContent.details, [
    { in: 'query', code: 'unknown' }
  ])
  t.match((await mcp.call('readItem', {})).structuredContent.details, [{ in: 'body', path: '/path', code: 'required' }])
  t.match((await mcp.call('readItem', { path: [1] })).structuredContent.details, [{ in: 'body', path: '/path' }])
  t.match((await mcp.call('readItem', { path: { id: {} } })).structuredContent.details, [{ in: 'path', path: '/id' }])
  t.match((await mcp.call('readItem', { path: { id: 'a/../..' } })).structuredContent, {
    details: [{ in: 'path', path: '/id', code: 'format' }]
  })
  t.match((await mcp.call('readItem', { path: { id: `${body.id}?ownerId=x#` } })).structuredContent, { status: 422 })
  for (const [tool, id] of [
    // Each of these paths has a route of its own.
    ['readUser', 'me'],
    ['readEvent', 'stream'],
    ['readItem', 'export'],
    ['readItem', '..']
  ] as const)
    t.match(await shop.call(tool, { path: { id } }), { isError: true, structuredContent: { status: 404 } }, id)
})

t.test('a call is charged once, to the account of its caller, with what its route costs', async (t) => {
  const { token } = await someone()
  const one = makeMcp(app, token)
  const left = async (call: Promise<{ headers: Record<string, string> }>) =>
    Number(/"standard-60s";r=(\d+)/.exec((await call).headers.ratelimit as string)?.[1])
  const call = (name: string, given: object = {}) => one.exchange('tools/call', { name, arguments: given })
  const begin = await left(send('GET', '/api/v1/items', { as: token }))
  t.equal(await left(call('listItems')), begin - 1)
  t.equal(
    await left(call('aggregateItems', { query: { max: ['createdAt'] } })),
    begin - 11,
    'an aggregation counts for ten'
  )
  t.equal(await left(call('listItems', { query: { q: 'x' } })), begin - 16, 'a search for five')
  t.equal(await left(one.exchange('tools/list')), begin - 17)
  t.equal(await left(send('GET', '/api/v1/items', { as: token })), begin - 18)
})

t.test('an anonymous call is charged once, to the address that it came from', async (t) => {
  const headers = { 'x-forwarded-for': '192.0.2.77' }
  const left = async (call: Promise<{ headers: Record<string, string> }>) =>
    Number(/"anonymous";r=(\d+)/.exec((await call).headers.ratelimit as string)?.[1])
  const begin = await left(send('GET', '/api/v1/products', { headers }))
  const one = makeMcp(app)
  t.equal(await left(one.exchange('tools/call', { name: 'listProducts' }, headers)), begin - 1)
  t.equal(await left(send('GET', '/api/v1/products', { headers })), begin - 2)
  const elsewhere = one.exchange('tools/call', { name: 'listProducts' }, { 'x-forwarded-for': '192.0.2.78' })
  t.equal(await left(elsewhere), begin)
})

t.test('the log has a line for the call and one for the message, with one id, trace and address', async (t) => {
  const headers = {
    'x-request-id': 'agent-1',
    'x-forwarded-for': '192.0.2.79',
    'user-agent': 'agent/1',
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
  }
  const refused = await mcp.call('listUsers', {}, headers)
  t.equal(refused.structuredContent.instance, 'agent-1')
  app.logLines.flush()
  const logged = lines.map((line) => JSON.parse(line)).filter(({ requestId }) => requestId === 'agent-1')
  const common = { ip: '192.0.2.79', userId: member.id, traceId: '0af7651916cd43dd8448eb211c80319c' }
  t.match(logged, [
    { ...common, method: 'GET', route: '/api/v1/users', status: 403, refusal: { client: 'agent/1' } },
    { ...common, method: 'POST', route: '/mcp', status: 200 }
  ])
  const metrics = await app.renderMetrics()
  t.match(metrics, /http_request_duration_seconds_count\{[^}]*route="\/mcp"[^}]*\}/)
  t.match(metrics, /http_refusals_total\{code="FORBIDDEN",method="GET",route="\/api\/v1\/users"\} 1/)
})

t.test('a call ends with the time, and with the connection, of its caller', async (t) => {
  const started = await startApp(t, { DATABASE_POOL_MAX: '1' })
  const { token } = await started.someone()
  const one = makeMcp(started.app, token)
  await one.exchange('ping')
  const origin = new URL(await started.app.listen({ port: 0, host: '127.0.0.1' }))
  const { promise, resolve: release } = Promise.withResolvers<void>()
  const begun = Promise.withResolvers<void>()
  const held = started.app.db.transaction(() => {
    begun.resolve()
    return promise
  })
  await begun.promise
  const late = await one.call('listItems', {}, { 'request-timeout': '0.05' })
  t.match(late, { isError: true, structuredContent: { error: { code: 'DEADLINE_EXCEEDED' } } })
  t.match(text(late), /retry-after: 1/)

  const socket = connect(Number(origin.port), '127.0.0.1')
  await once(socket, 'connect')
  const message = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'listItems' } })
  const head = [
    'POST /mcp HTTP/1.1',
    'host: 127.0.0.1',
    `authorization: Bearer ${token}`,
    `accept: ${ACCEPT.accept}`,
    'content-type: application/json',
    `content-length: ${message.length}`
  ]
  socket.write(`${head.join('\r\n')}\r\n\r\n${message}`)
  await until(() => started.app.databaseLoad().waiting === 1)
  socket.destroy()
  await until(() => started.app.databaseLoad().waiting === 0)
  release()
  await held
})

t.test('while the server stops, a call can be tried again elsewhere', async (t) => {
  const stopped = await startApp(t)
  await stopped.app.close()
  const request = { method: 'GET', route: '/livez', url: '/livez', headers: {}, payload: undefined }
  await t.rejects(stopped.app.subrequest({ ip: '127.0.0.1', headers: {} } as never, request), { code: 'UNAVAILABLE' })
})
