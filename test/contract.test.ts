import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { RouteOptions } from 'fastify'
import t from 'tap'
import { buildApp } from '#src/app.ts'
import { startApp, testConfig } from '#test/support/app.ts'
import { createDatabase } from '#test/support/database.ts'
import { sampleOf } from '#test/support/samples.ts'
import { noteStatements } from '#test/support/statements.ts'

const run = promisify(execFile)
const { app, send, someone } = await startApp(t)
const admin = await someone('admin')
const document = app.swagger() as unknown as OpenApi

interface OpenApi {
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, JsonSchema> }
}
interface Operation {
  operationId: string
  tags: string[]
  summary: string
  security: unknown[]
  description?: string
  parameters?: { name: string; schema: object; example?: unknown; required?: boolean }[]
  requestBody?: { content: Record<string, { schema: JsonSchema; example?: unknown }> }
  responses: Record<string, { description?: string; headers?: Record<string, object> }>
}
interface JsonSchema {
  $ref?: string
  properties?: Record<string, JsonSchema>
}

const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation }))
)

t.test('the document lists every route, and no other', async (t) => {
  const documented = operations.map(({ method, path }) => `${method} ${path}`)
  const served = app.routeTable
    .filter(({ method, url, schema }) => method !== 'HEAD' && url !== '*' && !(schema as { hide?: boolean })?.hide)
    .map(({ method, url }: RouteOptions) => `${method} ${url.replace(/:(\w+)/g, '{$1}')}`)
  t.same(documented.sort(), served.sort())
})

t.test('every operation has an id of its own, a tag, a summary and a policy', async (t) => {
  const ids = operations.map(({ operation }) => operation.operationId)
  t.equal(new Set(ids).size, ids.length)
  for (const { method, path, operation } of operations) {
    t.ok(operation.tags.length === 1 && operation.summary && operation.security, `${method} ${path}`)
  }
})

t.test('every operation teaches: a description, examples, headers, and only its own codes', async (t) => {
  const wrong: string[] = []
  for (const { method, path, operation } of operations) {
    const where = `${method} ${path}`
    if (!operation.description) wrong.push(`${where} has no description`)
    for (const { name, schema, example, required } of operation.parameters ?? []) {
      if (example === undefined) wrong.push(`${where} ${name} has no example`)
      if (required && 'default' in schema) wrong.push(`${where} ${name} has a default and is required`)
    }
    for (const { example } of Object.values(operation.requestBody?.content ?? {}))
      if (example === undefined) wrong.push(`${where} has a body without an example`)
    for (const { schema } of Object.values(operation.requestBody?.content ?? {}))
      for (const place of neededDefaults(schema)) wrong.push(`${where} needs ${place}, which has a default`)
    for (const [status, { description, headers = {} }] of Object.entries(operation.responses)) {
      if (!description || description === 'Default Response') wrong.push(`${where} ${status} has no description`)
      if (!headers['X-Request-Id']) wrong.push(`${where} ${status} has no headers`)
      if (status === '429' && !headers['Retry-After']) wrong.push(`${where} ${status} has no Retry-After`)
    }
  }
  t.same(wrong, [])
  const having = (code: string) =>
    operations.flatMap(({ operation }) =>
      JSON.stringify(operation.responses).includes(code) ? [operation.operationId] : []
    )
  t.same(having('OUT_OF_STOCK'), ['createOrder'])
  t.same(having('INVALID_TRANSITION').sort(), [
    'cancelJob',
    'cancelOrder',
    'payOrder',
    'pingWebhook',
    'retryJob',
    'shipOrder'
  ])
  t.equal(having('REGISTRATION_CLOSED').length, 1)
  t.ok(
    having('INVALID_CURSOR').every((id) => id.startsWith('list') || id === 'streamEvents'),
    'a cursor is of a list'
  )
  const { tags, info } = document as unknown as { tags: { description?: string }[]; info: { description: string } }
  t.ok(tags.every(({ description }) => description))
  for (const about of ['API key', 'error.code', 'cursor', 'or=', 'Idempotency-Key', 'RateLimit'])
    t.match(info.description, about)
})

/** The fields of a body that have a default, and that the document calls required all the same. */
function neededDefaults(given: JsonSchema): string[] {
  const { required = [], properties = {}, items } = resolve(given) as Leaf
  return [
    ...Object.entries(properties).flatMap(([name, one]) => {
      const isNeeded = required.includes(name) && 'default' in resolve(one)
      return isNeeded ? [name] : neededDefaults(one).map((place) => `${name}/${place}`)
    }),
    ...(items ? neededDefaults(items) : [])
  ]
}

t.test('rows are whole in the document, and `or` can be repeated', async (t) => {
  const { schemas } = document.components
  t.notOk(Object.keys(schemas).some((name) => name.endsWith('Sparse')))
  t.match(schemas.ProductPage, { properties: { data: { items: { $ref: '#/components/schemas/Product' } } } })
  const list = document.paths['/api/v1/products']?.get as Operation
  t.match(
    list.parameters?.find(({ name }) => name === 'or'),
    { explode: true, schema: { type: 'array' } }
  )
  t.match(
    list.parameters?.find(({ name }) => name === 'sort'),
    { explode: false }
  )
})

t.test('components have the names of the schemas', async (t) => {
  const names = Object.keys(document.components.schemas)
  t.notOk(names.some((name) => /^def-/.test(name)))
  for (const name of ['Product', 'ProductCreate', 'ProductUpdate', 'ProductReplace', 'ProductPage', 'Problem']) {
    t.ok(names.includes(name), name)
  }
})

t.test('Redocly finds nothing to complain about in the document', async (t) => {
  const file = join(t.testdir(), 'openapi.json')
  writeFileSync(file, JSON.stringify(document, null, 1))
  const redocly = fileURLToPath(new URL('../node_modules/.bin/redocly', import.meta.url))
  const { stderr } = await run(redocly, ['lint', file])
  t.notMatch(stderr, /warning/i)
})

t.test('silly bodies are refused, place by place, and nothing is silently changed', async (t) => {
  const withBody = operations.filter(({ operation }) => operation.requestBody?.content['application/json'])
  t.ok(withBody.length >= 10)
  for (const { method, path, operation } of withBody) {
    const url = path.replace(/\{\w+\}/g, '01890000-0000-7000-8000-000000000000')
    const schema = resolve(operation.requestBody?.content['application/json']?.schema as JsonSchema)
    const good = sampleOf(schema, resolve) as Record<string, unknown>
    const wrong: string[] = []
    const headers = { 'content-type': 'application/json' }
    // One for each operation: on a fast machine all of them together exceed what one user may ask for in a minute.
    const { token } = await someone('admin')
    const refuse = async (name: string, body: string | Buffer, statuses: number[], place?: string) => {
      const { status, body: answer } = await send(method, url, { as: token, body, headers })
      const where = `${method} ${path}: ${name}`
      if (!statuses.includes(status)) wrong.push(`${where} is ${status}`)
      if (place === undefined || status !== 422) return
      const places = answer.details.map((fault: { path: string }) => fault.path)
      const isNamed = places.some((one: string) => one === place || one.startsWith(`${place}/`))
      if (!isNamed) wrong.push(`${where} does not name ${place}`)
    }
    for (const whole of ['null', 'true', '[5]', '"0x10"', '7', '{', '{"a":1}}', 'NaN', "{'a':1}"]) {
      await refuse(whole, whole, [400, 422])
    }
    if (!routeOf(method, path).config?.hasOptionalBody) await refuse('no bytes', '', [400])
    await refuse('a name twice', '{"nobodyKnowsThis":1,"nobodyKnowsThis":1}', [422], '/nobodyKnowsThis')
    await refuse('deep', '['.repeat(10_000) + ']'.repeat(10_000), [400, 422])
    await refuse('deep object', `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`, [400, 422])
    await refuse('__proto__', '{"__proto__":{"admin":true}}', [400])
    await refuse('constructor', '{"constructor":{"prototype":{"admin":true}}}', [400, 422])
    await refuse('broken UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), [400])
    await refuse('too large', `{"a":"${'x'.repeat((routeOf(method, path).bodyLimit ?? 1_048_576) - 8 + 1)}"}`, [413])
    await refuse('unknown field', JSON.stringify({ ...good, nobodyKnowsThis: 1 }), [422], '/nobodyKnowsThis')
    // A replace may be what a read answered.
    if (method !== 'PUT') {
      const id = '01890000-0000-7000-8000-000000000000'
      await refuse('read-only field', JSON.stringify({ ...good, id }), [422], '/id')
    }
    for (const { place, leaf } of leaves(schema, good, '')) {
      for (const json of [...SILLY_VALUES, ...BAD_TEXTS]) {
        if (fits(leaf, json) && !BAD_TEXTS.includes(json)) continue
        await refuse(`${place} = ${json}`, replaceValue(good, place, json), [422], place)
      }
    }
    t.same(wrong, [], `${method} ${path}`)
  }
})

function routeOf(method: string, path: string): RouteOptions {
  const url = path.replace(/\{(\w+)\}/g, ':$1')
  return app.routeTable.find((one) => one.method === method && one.url === url) as RouteOptions
}

const SILLY_VALUES = [
  'null',
  'true',
  '[5]',
  '"0x10"',
  '" 7 "',
  '"Infinity"',
  '1e400',
  '-1e400',
  '9007199254740993',
  '{}',
  '1.5',
  '[[]]'
]
const BAD_TEXTS = ['"a\\u0000b"', '"\\ud800"', '"\\udfff\\ud800"']

interface Leaf extends JsonSchema {
  anyOf?: unknown[]
  type?: string | string[]
  format?: string
  pattern?: string
  enum?: string[]
  minLength?: number
  required?: string[]
  items?: JsonSchema
}

/** Every place for a value in a body, into its objects and the first element of its lists. */
function* leaves(
  schema: JsonSchema,
  good: Record<string, unknown>,
  path: string
): Iterable<{ place: string; leaf: Leaf }> {
  for (const [name, one] of Object.entries(schema.properties ?? {})) {
    const leaf = resolve(one) as Leaf
    const place = `${path}/${name}`
    yield { place, leaf }
    const inner = leaf.items ? (resolve(leaf.items) as Leaf) : undefined
    const value = good[name]
    if (leaf.properties && value) yield* leaves(leaf, value as Record<string, unknown>, place)
    if (inner && Array.isArray(value)) yield { place: `${place}/0`, leaf: inner }
    if (inner?.properties && Array.isArray(value)) yield* leaves(inner, value[0], `${place}/0`)
  }
}

// Whether a silly value happens to fit the field's own type: a name may well be "0x10".
function fits(leaf: Leaf, json: string): boolean {
  const { type, format, pattern, enum: values, minLength = 0, properties } = leaf
  const types = [type].flat()
  const value = JSON.parse(json)
  // Of any type: all but numbers that no double holds.
  if (!type && !values && !leaf.anyOf) return Array.isArray(value) || !/^(-?1e400|9007199254740993)$/.test(json)
  if (value === null) return types.includes('null')
  if (typeof value === 'boolean') return types.includes('boolean')
  if (typeof value === 'string') {
    const matches = pattern === undefined || new RegExp(pattern, 'u').test(value)
    return types.includes('string') && !format && matches && !values && minLength <= value.length
  }
  if (typeof value === 'number' && types.includes('number')) return Number.isFinite(value)
  // An empty patch of an object changes nothing.
  return json === '{}' && (properties !== undefined || types.includes('object'))
}

function replaceValue(good: Record<string, unknown>, place: string, json: string): string {
  const body = structuredClone(good)
  const steps = place.slice(1).split('/')
  const last = steps.pop() as string
  const holder = steps.reduce<Record<string, unknown>>((inner, step) => inner[step] as Record<string, unknown>, body)
  holder[last] = 'REPLACED'
  return JSON.stringify(body).replace('"REPLACED"', json)
}

function resolve(schema: JsonSchema): JsonSchema {
  const name = schema.$ref?.split('/').at(-1)
  return name ? (document.components.schemas[name] as JsonSchema) : schema
}

t.test('a malformed body is 415, and a missing one 400', async (t) => {
  const path = '/api/v1/products'
  for (const type of [
    'text/plain',
    'application/xml',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=a'
  ]) {
    const answer = await send('POST', path, { as: admin.token, body: 'a=1', headers: { 'content-type': type } })
    t.match(answer, { status: 415, body: { error: { code: 'UNSUPPORTED_MEDIA_TYPE' } } }, type)
  }
  t.match(await send('POST', path, { as: admin.token, body: '' }), {
    status: 400,
    body: { error: { code: 'INVALID_JSON' } }
  })
})

t.test('a path with another method is 405 and names its methods; an unknown path is 404', async (t) => {
  const answer = await send('DELETE', '/api/v1/products', { as: admin.token })
  t.match(answer, {
    status: 405,
    headers: { allow: 'GET, HEAD, POST' },
    body: { error: { code: 'METHOD_NOT_ALLOWED' } }
  })
  t.match(await send('OPTIONS', '/api/v1/products'), { status: 204, headers: { allow: 'GET, HEAD, POST' } })
  t.match(await send('GET', '/api/v1/nothing'), { status: 404, body: { error: { code: 'NOT_FOUND' } } })
  t.match(await send('GET', '/api/v1/products/%zz'), { status: 400 })
  t.match(await send('GET', '/api/v1/products/not-an-id'), {
    status: 422,
    body: { details: [{ in: 'path', path: '/id' }] }
  })
})

t.test('every answer names its request, reports its time, and carries the security headers', async (t) => {
  for (const url of ['/livez', '/api/v1/products', '/nothing', '/api/v1/items']) {
    const { headers } = await send('GET', url)
    t.match(
      headers,
      {
        'x-request-id': /^req-/,
        'server-timing': /\btotal;dur=\d/,
        'content-type': /^application\/(json; charset=utf-8|problem\+json)$/,
        'x-content-type-options': 'nosniff',
        'strict-transport-security': 'max-age=31536000; includeSubDomains',
        'referrer-policy': 'no-referrer',
        // `base-uri` and `form-action` do not follow `default-src`.
        'content-security-policy': "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
      },
      url
    )
  }
  t.match(await send('GET', '/livez', { headers: { 'x-request-id': 'mine-1' } }), {
    headers: { 'x-request-id': 'mine-1' }
  })
  t.match(await send('GET', '/livez', { headers: { 'x-request-id': 'a b\tc' } }), {
    headers: { 'x-request-id': /^req-/ }
  })
})

t.test('Server-Timing lists the parts that a request reached', async (t) => {
  const parts = async (url: string, as?: string) => {
    const { headers } = await send('GET', url, { as })
    return (headers['server-timing'] as string).replace(/;dur=[\d.]+/g, '')
  }
  t.equal(await parts('/api/v1/items', admin.token), 'auth, parse, db, total')
  t.equal(await parts('/api/v1/items?limit=x', admin.token), 'auth, total', 'it was refused before its statement')
  t.equal(await parts('/livez'), 'auth, parse, total')
  t.equal(await parts('/api/v1/items'), 'auth, total', 'it was refused without a credential')
})

t.test('a safe method changes nothing', async (t) => {
  const other = await startApp(t)
  const noted = noteStatements(other.app)
  const root = await other.someone('admin')
  const reads = other.app.routeTable.filter(
    ({ method, url, config }) => method === 'GET' && url !== '*' && !config?.isStream
  )
  t.ok(reads.length > 20)
  const statements = await noted.of(async () => {
    for (const { url } of reads)
      await other.app.inject({ url: url.replace(/:\w+/g, root.id), headers: { authorization: `Bearer ${root.token}` } })
  })
  t.ok(statements.length > 10)
  t.same(
    statements.filter(
      (text) => /\b(insert into|update|delete from)\b/i.test(text) && !/\bfor (no key )?update\b/i.test(text)
    ),
    []
  )
})

t.test('HEAD mirrors GET', async (t) => {
  const [get, head] = [await send('GET', '/api/v1/categories'), await send('HEAD', '/api/v1/categories')]
  t.equal(head.status, 200)
  t.equal(head.text, '')
  t.equal(head.headers['content-length'], get.headers['content-length'])
})

t.test('a route without a policy stops the start, with its name', async (t) => {
  const routes = t.testdir({ 'open.ts': "export default async (app) => void app.get('/open', async () => 'x')" })
  await t.rejects(startWith(routes), /GET \/open has no access policy/)
})

t.test('a route with an invalid time limit stops the start, with its name', async (t) => {
  for (const seconds of ['0', '-1', 'NaN', 'Infinity', "'5'", 'null']) {
    const routes = t.testdir({
      'brief.ts': `export default async (app) => void app.get('/brief',
        { config: { access: 'public', timeoutSeconds: ${seconds} }, schema: { response: { 200: { const: 'x' } } } }, async () => 'x')`
    })
    await t.rejects(startWith(routes), /GET \/brief has timeoutSeconds .*: it must be greater than 0/, seconds)
  }
})

t.test('a resource with a time limit for a missing operation does not start', async (t) => {
  const url = (path: string) => new URL(`../${path}`, import.meta.url).href
  const routes = t.testdir({
    brief: {
      'index.ts': `import { Category } from '${url('routes/api/v1/categories/schema.ts')}'
        import { categories } from '${url('routes/api/v1/categories/table.ts')}'
        import { defineResource } from '${url('src/resource/define.ts')}'
        export default defineResource({ schema: Category, table: categories, operations: { export: false },
          access: { read: 'public', write: 'public', delete: 'public' }, timeoutSeconds: { read: 1, export: 9 } })`
    }
  })
  await t.rejects(startWith(routes), /brief: timeoutSeconds names 'export', which is not one of its operations/)
})

t.test('a route without a schema for its answer stops the start, with its name', async (t) => {
  const routes = t.testdir({
    'loose.ts':
      "export default async (app) => void app.get('/loose', { config: { access: 'public' } }, async () => 'x')"
  })
  await t.rejects(startWith(routes), /GET \/loose/)
})

t.test('an answer of any shape stops the start, with its name', async (t) => {
  const route = (schema: string) => `export default async (app) =>
    void app.get('/any', { config: { access: 'public' }, schema: { response: { 200: ${schema} } } }, async () => ({}))`
  for (const schema of [
    '{}',
    "{ type: 'object', additionalProperties: true }",
    "{ type: 'array', items: {} }",
    "{ type: 'object', properties: { a: {} } }"
  ]) {
    await t.rejects(startWith(t.testdir({ 'any.ts': route(schema) })), /GET \/any 200/, schema)
  }
})

async function startWith(routes: string) {
  return buildApp(testConfig(await createDatabase(t)), { routes })
}
