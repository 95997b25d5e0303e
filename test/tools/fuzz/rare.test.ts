import t from 'tap'
import { type FuzzOptions, fuzz } from '#src/tools/fuzz/run.ts'
import type { Target } from '#src/tools/fuzz/session.ts'
import { isObject, type Json } from '#src/tools/openapi/schema.ts'
import { any, create, type Handler, id, json, limit, read, start, things } from '#test/fixtures/odd-api.ts'

const find = async (target: Target, options: Partial<FuzzOptions> = {}) =>
  (await fuzz(target, { cases: 120, ...options })).findings
const secured = { security: [{ key: [] }] }
const query = (name: string, schema?: object) => ({ name, in: 'query', schema })
const item = { get: read, delete: read }

t.test('filters of lists, objects, texts and unknown words are left alone; those that can be judged are', async (t) => {
  const row = {
    type: 'object',
    properties: {
      id: { type: 'integer' },
      name: { type: 'string' },
      tags: { type: 'array' },
      meta: { type: 'object' },
      size: { type: ['integer', 'null'] }
    }
  }
  const properties = {
    ...row.properties,
    tags: { type: 'array', items: { type: 'string' } },
    id: { type: 'integer', readOnly: true }
  }
  const parameters = [
    { ...limit, schema: { type: 'integer', maximum: 2 } },
    query('tags', { type: 'array' }),
    query('meta', { type: 'object' }),
    query('tags[has]', { type: 'array', items: { type: 'string' } }),
    query('name[gt]', { type: 'string' }),
    query('filter[name]'),
    query('size__nin', { type: 'array', items: { type: 'integer' } }),
    query('[['),
    query('other[gte]', { type: 'integer' })
  ]
  const paths = {
    '/things': {
      get: { parameters, responses: any },
      post: { requestBody: { required: true, ...json({ type: 'object', properties }) }, responses: any }
    },
    '/things/{id}': { get: { ...read, responses: { 200: json(row) } }, delete: read }
  }
  const own = things()
  const handler: Handler = (called) => {
    const answer = own(called)
    const [[name, value] = ['', '']] = [...called.query].filter(([one]) => one !== 'limit')
    if (called.path !== '/things' || called.method !== 'GET' || name === 'name[gt]') return answer
    const field = /(?:filter\[)?(\w+?)(?:\]|\[|__|$)/.exec(name)?.[1] ?? ''
    const isNot = name.endsWith('__nin')
    const meets = (held: Json | undefined) =>
      (Array.isArray(held) ? held.includes(value) : String(held) === value) !== isNot
    return [200, [...own.rows.values()].filter((one) => meets(one[field])).slice(0, 2)]
  }
  t.same(await find(await start(t, paths, handler), { checks: ['filter'], cases: 200 }), [])
})

t.test('another user: lists refused, without rows, and rows that cannot be deleted', async (t) => {
  const own = things()
  for (const list of [
    [403, {}],
    [200, {}]
  ] as ReturnType<Handler>[]) {
    const handler: Handler = (called) => {
      if (called.key !== 'o') return own(called)
      return called.path === '/things' ? list : [404, {}]
    }
    const paths = {
      '/things': { get: { ...secured, responses: any }, post: { ...create, ...secured } },
      '/things/{id}': { get: { ...read, ...secured } }
    }
    t.same(
      await find(await start(t, paths, handler, { key: 'k', otherKey: 'o' }), { checks: ['hidden'], cases: 20 }),
      []
    )
  }
})

t.test(
  'changes with an ETag and without If-Match, removals that are refused or answered 410, bodies that are lists',
  async (t) => {
    const etag = (json: Json | undefined) => ({
      etag: JSON.stringify(json).replace(/[^ -~]/g, (one) => `u${one.charCodeAt(0)}`)
    })
    const paths = (update: object) => ({
      '/things': { post: create },
      '/things/{id}': { ...item, patch: { ...update, parameters: [id] }, put: { ...create, parameters: [id] } },
      '/things/{id}/note': { post: { parameters: [id], requestBody: json({ type: 'string' }), responses: any } }
    })
    const own = things()
    let removals = 0
    const handler: Handler = (called) => {
      const row = own.rows.get(Number(called.path.split('/')[2]))
      if (called.method === 'DELETE' && row) {
        removals += 1
        return removals % 3 === 0 ? [409, {}] : own(called)
      }
      if (called.method === 'DELETE') return [410, {}]
      if (row && called.path.endsWith('/note')) return [200, {}]
      if (row && called.method === 'PATCH' && isObject(called.body)) Object.assign(row, called.body)
      if (row && called.method === 'PUT' && isObject(called.body))
        own.rows.set(row.id as number, { ...called.body, id: row.id as number })
      if (row && ['PATCH', 'PUT'].includes(called.method)) return [200, own.rows.get(row.id as number) as Json]
      if (['PATCH', 'PUT'].includes(called.method)) return [404, {}]
      if (called.path.endsWith('/note')) return [404, {}]
      const [status, json] = own(called)
      return [status, json, called.method === 'GET' ? etag(json) : {}]
    }
    const checks = ['lifecycle', 'body']
    const found = await find(await start(t, paths(create), handler), { checks })
    t.same(
      found.filter(({ kind }) => kind !== 'invalid_accepted'),
      []
    )
    const lists = { requestBody: { required: true, ...json({ type: 'array', items: {} }) }, responses: any }
    t.same(await find(await start(t, paths(lists), handler), { checks: ['lifecycle'] }), [])
  }
)

t.test('a body that is no object is not compared with the row', async (t) => {
  const lists = { requestBody: { required: true, ...json({ type: 'array', items: {} }) }, responses: any }
  const handler: Handler = ({ method }) => [method === 'POST' ? 201 : 200, { id: 1 }]
  const paths = { '/things': { post: lists }, '/things/{id}': { get: read } }
  t.same(await find(await start(t, paths, handler), { checks: ['lifecycle'], cases: 10 }), [])
})

t.test('rows that refer to others have some, and rows that take no JSON are made, too', async (t) => {
  const product = {
    type: 'object',
    required: ['stock'],
    properties: { id: { type: 'integer', readOnly: true }, stock: { type: 'integer', minimum: 0, maximum: 50 } }
  }
  const order = {
    type: 'object',
    required: ['productId'],
    properties: { id: { type: 'integer', readOnly: true }, productId: { type: 'integer' }, all: { type: 'array' } }
  }
  const bill = {
    type: 'object',
    required: ['lostId'],
    properties: { id: { type: 'integer', readOnly: true }, lostId: { type: 'integer' } }
  }
  const of = (schema: object) => ({ post: { requestBody: { required: true, ...json(schema) }, responses: any } })
  const one = { get: read }
  const paths = {
    '/products': of(product),
    '/products/{id}': one,
    '/orders': of(order),
    '/orders/{id}': one,
    '/orders/{id}/pay': { post: { parameters: [id], responses: any } },
    '/lost': of(product),
    '/lost/{id}': one,
    '/bills': of(bill),
    '/bills/{id}': one,
    '/bills/{id}/pay': { post: { parameters: [id], responses: any } },
    '/bare': { post: { responses: any } },
    '/bare/{id}': one,
    '/bare/{id}/pay': { post: { parameters: [id], responses: any } },
    '/notes': {
      post: {
        requestBody: { content: { 'text/plain': { schema: { type: 'string' } } }, required: true },
        responses: any
      }
    },
    '/notes/{id}': one,
    '/notes/{id}/pay': { post: { parameters: [id], responses: any } }
  }
  const rows: Json[] = []
  const handler: Handler = ({ method, path, body }) => {
    const stored = rows[Number(path.split('/')[2])]
    if (method === 'GET' || path.endsWith('/pay')) return stored ? [200, stored] : [404, {}]
    const sent = isObject(body) ? body : {}
    // A product that is not out of stock.
    const bought = rows[sent.productId as number]
    if (path === '/orders' && !(isObject(bought) && bought.stock === 50)) return [409, {}]
    if (path === '/lost') return [409, {}]
    rows.push({ ...sent, id: rows.length })
    return [201, rows.at(-1) as Json]
  }
  const { onlyRefused } = await fuzz(await start(t, paths, handler), { cases: 200, checks: ['valid input'] })
  t.same(onlyRefused, ['POST /lost'])
})

t.test('what a bulk names is deleted where it is of this run, and answers without names are let be', async (t) => {
  const named = json({ type: 'object', properties: { items: { type: 'array', items: {} } } })
  const answers: Json[] = [{}, { results: [{ id: 1 }, {}] }, { id: 1 }, [{ id: 2 }], { results: [{ id: 3 }] }, 'text']
  const own = things()
  let at = 0
  const handler: Handler = (called) => {
    at += 1
    // The list has no rows, and a bulk may name one that this case made.
    if (called.path === '/things' && called.method === 'GET') return [200, at % 3 === 0 ? {} : [{}]]
    const known = [...own.rows.keys()].at(-1)
    if (called.path.endsWith('/bulk') && known && at % 2 === 0) return [200, { id: known }]
    if (called.path.endsWith('/bulk')) return [200, answers[at % answers.length] as Json]
    const number = Number(called.path.split('/')[2])
    if (called.method === 'GET' && number === 2) return [200, 'no object' as Json]
    if (called.method === 'GET' && number === 3) return [200, { id: 3, created_at: new Date().toISOString() }]
    if (called.method === 'DELETE' && number === 3) return [204]
    return own(called)
  }
  const paths = {
    '/things': { post: create, get: { responses: any } },
    '/things/{id}': {
      get: { parameters: [id], responses: { 200: json({ properties: { id: {} } }), default: json({}) } },
      delete: read
    },
    '/things/bulk': { post: { requestBody: { required: true, ...named }, responses: any } },
    '/things/{id}/bulk': { post: { parameters: [id], responses: any } }
  }
  const report = await fuzz(await start(t, paths, handler), { cases: 120, checks: ['valid input', 'invalid input'] })
  t.ok(report.findings.every(({ kind }) => kind === 'wrong_answer' || kind === 'invalid_accepted'))
})

t.test(
  'texts that a resource answers are compared, too, and operations that cannot be called are left out',
  async (t) => {
    const own = things()
    const handler: Handler = (called) =>
      called.path.endsWith('/text')
        ? [200, `a${called.query.get('x') ?? ''}`, { 'content-type': 'text/plain' }]
        : own(called)
    const never = { required: true, ...json({ type: 'object', minProperties: 1, additionalProperties: false }) }
    const paths = {
      '/things': { post: create, get: { parameters: [limit, query('sort', { type: 'array' })], responses: any } },
      '/things/{id}': item,
      '/things/text': { get: { responses: { 200: { content: { 'text/plain': {} } } } } },
      '/never': { post: { ...secured, requestBody: never, responses: any } }
    }
    const report = await fuzz(await start(t, paths, handler, { key: 'k' }), {
      cases: 120,
      checks: ['valid input', 'credential', 'pages']
    })
    t.same(report.findings, [])
  }
)
