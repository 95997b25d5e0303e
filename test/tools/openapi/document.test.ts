import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { operationsOf, prepareDocument, readDocument } from '#src/tools/openapi/document.ts'
import { toJsonSchema, typesOf } from '#src/tools/openapi/schema.ts'
import { Schemas } from '#src/tools/openapi/schemas.ts'

const minimal = { openapi: '3.1.0', paths: {}, servers: [{ url: 'http://api.test/v1/' }] }

t.test('reads JSON and YAML from a file, and the address of the server without its last slash', async (t) => {
  const yaml = 'openapi: 3.0.3\npaths: {}\nservers: [{ url: https://api.test }]\n'
  const folder = t.testdir({ 'a.json': JSON.stringify(minimal), 'a.yaml': yaml })
  t.match(await readDocument(join(folder, 'a.json')), { server: 'http://api.test/v1' })
  t.match(await readDocument(join(folder, 'a.yaml')), { server: 'https://api.test', openapi: '3.0.3' })
  const other = await readDocument(join(folder, 'a.json'), { server: 'http://127.0.0.1:9' })
  t.equal(other.server, 'http://127.0.0.1:9')
})

t.test('of a document that was downloaded, the server is the one that sent it', async (t) => {
  const server = createServer((request, response) => {
    if (request.headers['x-key'] !== 'k') return response.writeHead(401).end()
    return response.end(JSON.stringify({ ...minimal, servers: request.url === '/bare' ? undefined : minimal.servers }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const headers = { 'x-key': 'k' }
  t.equal((await readDocument(`${address}/a`, { headers })).server, `${address}/v1`)
  t.equal((await readDocument(`${address}/bare`, { headers })).server, address)
  t.equal((await readDocument(`${address}/a`, { headers, server: 'http://other.test/' })).server, 'http://other.test')
  await t.rejects(readDocument(`${address}/a`), { name: 'MisuseError', message: /cannot be read: the answer is 401/ })
  await t.rejects(readDocument('http://127.0.0.1:1/a'), /cannot be read: .*ECONNREFUSED|bad port/)
})

t.test('says what is wrong with a document', async (t) => {
  const folder = t.testdir({ broken: '{ "a": ', text: 'a: [', list: '- 1' })
  await t.rejects(readDocument(join(folder, 'none')), /cannot be read: ENOENT/)
  await t.rejects(readDocument(join(folder, 'broken')), /neither JSON nor YAML/)
  await t.rejects(readDocument(join(folder, 'text')), /neither JSON nor YAML/)
  await t.rejects(
    readDocument(join(folder, 'list')),
    /this is no OpenAPI document of 3.0 or 3.1, but of unknown version/
  )
  t.throws(() => prepareDocument({ swagger: '2.0', paths: {} }), /but of 2.0/)
  t.throws(() => prepareDocument({ openapi: '3.1.0' }), /no OpenAPI document/)
  for (const url of ['/v1', 'ftp://a.test'])
    t.throws(() => prepareDocument({ ...minimal, servers: [{ url }] }), /names no server: name it with --server/, url)
  t.throws(() => prepareDocument({ ...minimal, servers: undefined }), /names no server/)
  const refersTo = ($ref: string) => ({ ...minimal, paths: { '/a': { get: { parameters: [{ $ref }] } } } })
  t.throws(() => prepareDocument(refersTo('other.yaml#/a')), /other.yaml#\/a is in another document/)
  t.throws(() => prepareDocument(refersTo('#/components/parameters/None/deeper')), /is not in the document/)
})

t.test(
  'resolves references outside of schemas, and joins the parameters of a path with those of its operations',
  (t) => {
    const query = (name: string, description = '') => ({ name, in: 'query', description })
    const document = prepareDocument({
      ...minimal,
      security: [{ key: [] }],
      components: { parameters: { 'a/b': query('shared') } },
      paths: {
        '/things': {
          parameters: [{ $ref: '#/components/parameters/a~1b' }, query('own', 'of the path')],
          get: { parameters: [query('own', 'of the operation')] },
          post: { operationId: 'make', security: [], requestBody: { content: {} }, responses: { 201: {} } }
        }
      }
    })
    t.same(operationsOf(document), [
      {
        id: 'GET /things',
        method: 'GET',
        path: '/things',
        parameters: [query('shared'), query('own', 'of the operation')],
        body: undefined,
        responses: {},
        security: [{ key: [] }]
      },
      {
        id: 'make',
        method: 'POST',
        path: '/things',
        parameters: [query('shared'), query('own', 'of the path')],
        body: { required: false, content: {} },
        responses: { 201: {} },
        security: []
      }
    ])
    const bare = prepareDocument({ ...minimal, paths: { '/a': { get: {} } } })
    t.same(operationsOf(bare)[0]?.security, [])
    t.end()
  }
)

t.test('an operation that answers with events alone is left out: its answer has no end', (t) => {
  const answers = (...types: string[]) => ({
    responses: {
      200: { content: Object.fromEntries(types.map((type) => [type, {}])) },
      401: { content: { 'text/html': {} } }
    }
  })
  const document = prepareDocument({
    ...minimal,
    paths: {
      '/events': { get: answers('text/event-stream; charset=utf-8') },
      '/both': { get: answers('application/json', 'text/event-stream') },
      '/none': { get: answers() }
    }
  })
  t.same(
    operationsOf(document).map(({ path }) => path),
    ['/both', '/none']
  )
  t.end()
})

t.test('the schemas of 3.0 become those of 3.1', (t) => {
  t.same(toJsonSchema({ type: 'string', nullable: true, enum: ['a'], example: 'a' }), {
    type: ['string', 'null'],
    enum: ['a', null],
    example: 'a',
    examples: ['a']
  })
  t.same(toJsonSchema({ type: 'string', pattern: '(?i)a' }), { type: 'string' }, 'a pattern of another language')
  t.same(toJsonSchema({ $ref: '#/a', nullable: true }), { anyOf: [{ $ref: '#/a' }, { type: 'null' }] })
  t.same(toJsonSchema([{ type: 'integer', minimum: 1, exclusiveMinimum: true, maximum: 9, exclusiveMaximum: false }]), [
    { type: 'integer', exclusiveMinimum: 1, maximum: 9 }
  ])
  const properties = { type: { type: 'string' }, example: { type: 'string' } }
  t.same(toJsonSchema({ type: 'object', properties }), { type: 'object', properties }, 'fields may have these names')
  t.end()
})

t.test('a schema without a type has the one that its other words are about', (t) => {
  t.same(
    [{ required: [] }, { items: {} }, { maxLength: 1 }, { multipleOf: 2 }, {}].map((schema) => typesOf(schema)),
    [['object'], ['array'], ['string'], ['number'], []]
  )
  t.end()
})

t.test('flattens references and allOf, the narrower bound winning', (t) => {
  const schemas = new Schemas({
    A: { type: 'object', required: ['a'], properties: { a: { type: 'string' } } },
    B: { allOf: [{ $ref: '#/components/schemas/A' }, { required: ['b'], properties: { b: { type: 'integer' } } }] }
  })
  t.match(schemas.flatten({ $ref: '#/components/schemas/B' }), {
    type: 'object',
    required: ['a', 'b'],
    properties: { a: { type: 'string' }, b: { type: 'integer' } }
  })
  t.same(schemas.flatten({ $ref: '#/components/schemas/None' }), {})
  const bounds = schemas.flatten({ minimum: 2, maximum: 5, allOf: [{ minimum: 1, maximum: 9 }] })
  t.same(bounds, { minimum: 2, maximum: 5 })
  const b = { $ref: '#/components/schemas/B' }
  t.match(schemas.mismatch(b, { a: 'x' }), { path: '', keyword: 'required', message: /'b'/ })
  t.equal(schemas.mismatch(b, { a: 'x' }, true), undefined, 'fields may be missing from a sparse answer')
  t.match(schemas.mismatch({ type: 'object', additionalProperties: false }, { c: 1 }), { message: /'c'/ })
  t.ok(schemas.fits({ type: 'file' }, 1), 'a schema that is none takes everything')
  t.match(schemas.mismatch({ type: 'string' }, 1), { message: 'must be string' })
  t.end()
})
