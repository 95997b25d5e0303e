import { randomUUID } from 'node:crypto'
import t from 'tap'
import { startApp } from '#test/support/app.ts'
import { makeMcp } from '#test/support/mcp.ts'

const { app, send, someone } = await startApp(t)
const admin = await someone('admin')
const member = await someone()

async function keyOf(...scopes: string[]): Promise<string> {
  return (await send('POST', '/api/v1/api-keys', { as: admin.token, body: { name: 'an agent', scopes } })).body.key
}

const READS = [
  'aggregateProducts',
  'aggregateProductsV2',
  'listProducts',
  'listProductsV2',
  'readProduct',
  'readProductV2'
]
const FINDERS = ['call', 'describe', 'search']

t.test('a key of products:read sees only reads of products, and a write by name is refused as over HTTP', async (t) => {
  const key = await keyOf('products:read')
  const mcp = makeMcp(app, key)
  t.same(await mcp.names(), READS)
  const id = randomUUID()
  const body = { name: 'Oak table' }
  const refused = await mcp.call('updateProduct', { path: { id }, body })
  t.match(refused, {
    isError: true,
    structuredContent: { status: 403, error: { details: { scope: 'products:write' } } }
  })
  const overHttp = await send('PATCH', `/api/v1/products/${id}`, { as: key, body })
  t.same({ ...refused.structuredContent, instance: '' }, { ...overHttp.body, instance: '' })
})

t.test('every caller sees what it may use', async (t) => {
  t.same(await makeMcp(app).names(), [...READS, 'aggregateCategories', 'listCategories', 'readCategory'].sort())
  const keys = await makeMcp(app, await keyOf('api-keys:*')).names()
  t.same(
    keys.filter((name) => !name.endsWith('ApiKeys')),
    ['createApiKey', 'deleteApiKey', 'readApiKey', 'replaceApiKey', 'rotateApiKey', 'updateApiKey']
  )
  t.same(await makeMcp(app, await keyOf('jobs:write')).names(), ['cancelJob', 'retryJob'])
  const find = async (as: string, query: string) =>
    (await makeMcp(app, as).call('search', { query })).structuredContent.data.map(({ name }: { name: string }) => name)
  t.ok((await find(member.token, 'readMe')).includes('readMe'), 'a login has its account')
  t.notOk((await find(await keyOf('*'), 'readMe')).includes('readMe'), 'a key has none')
  t.notOk((await find(member.token, 'users')).includes('listUsers'))
})

t.test('streams, and routes that judge a credential of their own, are no tools', async (t) => {
  const mcp = makeMcp(app, admin.token)
  for (const name of ['exportProducts', 'importProducts', 'streamEvents', 'readJobResult', 'login', 'refreshTokens'])
    t.match(await mcp.exchange('tools/call', { name, arguments: {} }), { error: { code: -32602 } }, name)
  for (const name of ['issueToken', 'readOpenapiDocument', 'readMetrics', 'logout'])
    t.match(await mcp.call('describe', { name }), { isError: true, structuredContent: { status: 404 } }, name)
})

t.test('tools say whether they read, repeat or take away', async (t) => {
  const { result } = await makeMcp(app, await keyOf('categories:*')).exchange('tools/list')
  const hints = (name: string) => {
    const { annotations } = result.tools.find((one: { name: string }) => one.name === name)
    const { readOnlyHint, destructiveHint, idempotentHint, openWorldHint } = annotations
    return [readOnlyHint, destructiveHint, idempotentHint, openWorldHint]
  }
  t.same(hints('listCategories'), [true, false, true, false])
  t.same(hints('createCategory'), [false, false, false, false])
  t.same(hints('updateCategory'), [false, true, false, false])
  t.same(hints('replaceCategory'), [false, true, true, false])
  t.same(hints('deleteCategory'), [false, true, true, false])
})

t.test("arguments have the route's own schemas, without notes of the server", async (t) => {
  const { result } = await makeMcp(app, await keyOf('products:*')).exchange('tools/list')
  const update = result.tools.find(({ name }: { name: string }) => name === 'updateProduct')
  t.match(update.inputSchema, {
    type: 'object',
    properties: {
      path: { properties: { id: { format: 'uuid' } }, required: ['id'], additionalProperties: false },
      headers: { properties: { 'if-match': {}, 'idempotency-key': {}, prefer: {} } },
      body: { properties: { priceCents: { type: 'integer', minimum: 0 } }, additionalProperties: false }
    },
    required: ['path', 'body'],
    additionalProperties: false
  })
  t.notMatch(JSON.stringify(result.tools), /"x-|"\$id"|if-none-match/)
  const list = result.tools.find(({ name }: { name: string }) => name === 'listProducts')
  t.same(list.inputSchema.required, [])
  t.notOk(list.inputSchema.properties.headers)
})

t.test('a caller of many operations gets three tools, which find, describe and call them', async (t) => {
  const mcp = makeMcp(app, admin.token)
  t.same(await mcp.names(), FINDERS)
  const found = await mcp.call('search', { query: 'cancel an order' })
  t.same(found.structuredContent.data[0], {
    name: 'cancelOrder',
    title: 'Cancel a pending or paid order and give its stock back',
    resource: 'orders',
    readOnly: false
  })
  const all = (await mcp.call('search', { query: '' })).structuredContent
  t.equal(all.data.length, 20)
  t.ok(all.total > 80)
  t.same((await mcp.call('search', { query: 'zzz' })).structuredContent, { data: [], total: 0 })
  const { structuredContent: described } = await mcp.call('describe', { name: 'createCategory' })
  t.match(described, {
    access: 'categories:write',
    inputSchema: { properties: { body: { required: ['name'] } } },
    answers: { 201: { properties: { id: {} } } }
  })
  const given = { body: { name: `Found ${randomUUID()}` } }
  const made = await mcp.call('call', { name: 'createCategory', arguments: given })
  t.match(made.structuredContent, { name: given.body.name })
  t.match(await mcp.call('call', { name: 'listCategories' }), { structuredContent: { page: { limit: 50 } } })
  t.match(await mcp.call('call', { name: 'nothing' }), { isError: true, structuredContent: { status: 404 } })
  t.match(await mcp.call('search', { words: 'x' }), { isError: true, structuredContent: { status: 422 } })
  const { key } = { key: await keyOf('products:read') }
  t.match(await makeMcp(app, key).call('call', { name: 'createCategory', arguments: given }), {
    isError: true,
    structuredContent: { status: 403 }
  })
})
