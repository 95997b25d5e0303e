import t from 'tap'
import { groupsOf } from '#src/tools/client/groups.ts'
import { camel, comment, Names, property, quoted } from '#src/tools/client/names.ts'
import { typeWriter } from '#src/tools/client/types.ts'
import type { Schema } from '#src/tools/openapi/schema.ts'
import { checkStrictly, writeClient } from '#test/support/generated-client.ts'

const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` })
const json = (schema: object) => ({ content: { 'application/json': { schema } } })
const query = (name: string, schema: object, more = {}) => ({ in: 'query', name, schema, ...more })
const header = (name: string) => ({ in: 'header', name, schema: { type: 'string' } })
const id = { in: 'path', name: 'id', required: true, schema: { type: 'string' } }
const text = { type: 'string' }
const texts = { type: 'array', items: text }
const fields = query('fields', { type: 'array', items: { enum: ['id', 'name', 'size'] } }, { explode: false })
const include = query('include', { type: 'array', items: { enum: ['owner'] } }, { explode: false })
const filters = [
  query('name', text, { description: 'Equal to.' }),
  query('name[ne]', text),
  query('name[in]', texts, { explode: false }),
  query('name[like]', text),
  query('size', { type: 'integer' }),
  query('size[gte]', { type: 'integer' }),
  query('size[isNull]', { type: 'boolean' }),
  query('tags[has]', texts, { explode: false }),
  query('odd', text),
  query('odd[near]', { type: 'number' }),
  query('or', texts)
]
const bearer = [{ bearer: [] }]
const job = { description: 'Later.', ...json(ref('Job')) }

const document = {
  openapi: '3.1.0',
  info: { title: 'Things', version: '1.0.0' },
  security: bearer,
  components: {
    securitySchemes: { bearer: { type: 'http', scheme: 'bearer' }, client: { type: 'http', scheme: 'basic' } },
    schemas: {
      Thing: {
        type: 'object',
        description: 'A thing */ of a\nshop.',
        required: ['id', 'name', 'size', 'owner-name'],
        properties: {
          id: text,
          name: { type: 'string', description: 'What it is called.' },
          size: { type: ['integer', 'null'] },
          'owner-name': text,
          owner: ref('Record')
        }
      },
      ThingCreate: { type: 'object', required: ['name'], properties: { name: text, size: { type: 'integer' } } },
      // Names that the file or TypeScript has already.
      Record: { type: 'object', required: ['a'], properties: { a: text } },
      Page: { type: 'object', properties: { data: { type: 'string' } } },
      Empty: { type: 'object', properties: { gone: ref('Gone') } },
      Bare: { type: 'object' },
      Event: { type: 'object', required: ['type'], properties: { type: text } },
      Job: { type: 'object', required: ['id', 'state'], properties: { id: text, state: { enum: ['queued', 'done'] } } },
      ThingPage: {
        type: 'object',
        required: ['data', 'page'],
        properties: { data: { type: 'array', items: ref('Thing') }, page: { type: 'object' } }
      },
      Problem: {
        type: 'object',
        properties: {
          error: { type: 'object', properties: { code: { anyOf: [{ const: 'NOT_FOUND' }, { const: 'CONFLICT' }] } } }
        }
      }
    }
  },
  paths: {
    '/api/v1/things': {
      get: {
        operationId: 'listThings',
        summary: 'List things',
        parameters: [...filters, query('cursor', text), fields, include, header('if-none-match')],
        responses: { 200: json(ref('ThingPage')) }
      },
      post: {
        operationId: 'createThing',
        summary: 'Create a thing.',
        parameters: [header('Idempotency-Key'), header('prefer')],
        requestBody: { required: true, ...json(ref('ThingCreate')) },
        responses: { 201: json(ref('Thing')) }
      }
    },
    '/api/v1/things/export': {
      get: {
        operationId: 'exportThings',
        parameters: [...filters, fields],
        responses: { 200: { content: { 'application/x-ndjson': { schema: text } } }, 202: job }
      }
    },
    '/api/v1/things/import': {
      post: {
        operationId: 'importThings',
        parameters: [header('idempotency-key'), header('prefer')],
        requestBody: { required: true, content: { 'application/x-ndjson': { schema: text } } },
        responses: {
          200: json({ type: 'object', required: ['created'], properties: { created: { type: 'integer' } } }),
          202: job
        }
      }
    },
    '/api/v1/things/bulk': {
      post: {
        operationId: 'bulkCreateThings',
        requestBody: json({ type: 'object', properties: { items: { type: 'array', items: ref('ThingCreate') } } }),
        responses: { 200: json({}) }
      },
      patch: {
        operationId: 'bulkUpdateThings',
        parameters: [header('idempotency-key'), header('prefer')],
        requestBody: json({ type: 'object', properties: { items: { type: 'array', items: ref('ThingCreate') } } }),
        responses: { 200: json({ type: 'object' }), 202: job }
      }
    },
    '/api/v1/things/{id}': {
      get: {
        operationId: 'readThing',
        parameters: [id, fields, include, header('if-none-match')],
        responses: { 200: json(ref('Thing')) }
      },
      delete: { operationId: 'deleteThing', parameters: [id, header('idempotency-key')], responses: { 204: {} } }
    },
    '/api/v1/things/{id}/parts/{partId}': {
      get: {
        operationId: 'readThingPart',
        parameters: [
          id,
          { ...id, name: 'partId' },
          query('at', text, { required: true }),
          fields,
          { in: 'query', name: 'json', content: { 'application/json': { schema: text } } },
          { in: 'query', name: 'any' }
        ],
        responses: { 200: json(ref('Thing')) }
      }
    },
    '/api/v2/things/{id}': {
      get: { operationId: 'readThingV2', parameters: [id], responses: { 200: json(ref('Thing')) } },
      put: {
        operationId: 'readThing',
        parameters: [id, query('a', text, { required: true })],
        requestBody: json(ref('Thing')),
        responses: { 200: json(ref('Thing')) }
      }
    },
    '/api/v1/bare/export': {
      get: { operationId: 'exportBare', responses: { 200: { content: { 'application/x-ndjson': {} } } } }
    },
    '/api/v1/bare/import': {
      post: {
        operationId: 'importBare',
        requestBody: { content: { 'application/x-ndjson': {} } },
        responses: { 204: {} }
      }
    },
    '/api/v1/bare': {
      post: { operationId: 'createBare', requestBody: json(ref('ThingCreate')), responses: { 201: {} } }
    },
    '/api/v1/events/stream': {
      get: {
        operationId: 'streamEvents',
        parameters: [query('type', texts, { explode: false })],
        responses: {
          200: { content: { 'text/event-stream': { schema: { type: 'string', contentSchema: ref('Event') } } } }
        }
      }
    },
    '/oauth/token': {
      post: {
        operationId: 'issueToken',
        tags: ['oauth'],
        security: [{ client: [] }, {}],
        requestBody: {
          required: true,
          content: { 'application/x-www-form-urlencoded': { schema: { type: 'object', properties: { scope: text } } } }
        },
        responses: { 200: json({ type: 'object', required: ['access_token'], properties: { access_token: text } }) }
      }
    },
    '/login': { post: { operationId: 'login', tags: ['login'], security: [], responses: { 204: {} } } },
    '/metrics': { get: { security: [{ other: [] }], responses: { 200: { content: { 'text/plain': {} } } } } },
    '/': { get: { operationId: 'root', security: [], responses: { 200: json({}) } } }
  }
}

t.test('a document becomes a client that is typed to the last field', async (t) => {
  const uses = `
    import * as api from './tenon-client.ts'
    export async function use(client: api.Client) {
      const { list, create, delete: remove, read, readPart, import: load, export: save, bulkUpdate } = api.things(client)
      const page = await list({ name: { ne: 'a', in: ['b'], like: 'c%' }, size: { gte: 1, isNull: false }, tags: { has: ['d'] }, odd: { near: 1 } })
      const whole: api.Thing = page.data[0]!
      const size: number | null = whole.size
      for await (const row of list({ fields: ['id', 'name'] })) {
        const known: string = row.id + row.name
        // @ts-expect-error -- it was not asked for
        row.size
        void [known, row.owner?.a]
      }
      const made: api.Thing = await create({ name: 'a' })
      const brief: api.Thing | undefined = await create({ name: 'a' }, { minimal: true })
      // @ts-expect-error -- without a body there is none
      const wrong: api.Thing = await create({ name: 'a' }, { minimal: true })
      // @ts-expect-error -- the name is required
      await create({ size: 1 })
      const gone: undefined = await remove('1', { idempotencyKey: 'a' })
      // @ts-expect-error -- it has no row to match
      await remove('1', { ifMatch: 'a' })
      const some: Pick<api.Thing, 'size' | 'owner'> = await read('1', { fields: ['size'], include: ['owner'] })
      const { name: part } = await readPart('1', '2', { at: 'now', fields: ['name'], json: '{}', any: 1 })
      // @ts-expect-error -- the query is required
      await readPart('1', '2')
      const { created } = await load([{ name: 'a' }])
      const later: api.Job = await load([{ name: 'a' }], { later: true })
      const either = await bulkUpdate({ items: [] }, { later: Math.random() > 1 })
      const state = either['state']
      for await (const { id } of save({ fields: ['id'] })) void id
      const saved: api.Job = await save().later('text/csv')
      for await (const { cursor, event } of api.events(client).stream({ type: ['a'] }, { after: '1' })) void [cursor, event.type]
      const second: api.Thing = await api.thingsV2(client).read('1')
      await api.thingsV2(client).readThing('1', second, { a: 'b' })
      const { access_token } = await api.oauth(client).issueToken({ scope: 'a' })
      const metrics: string = await api.metrics(client).getMetrics()
      const unknown: unknown = await api.api(client).root()
      await api.loginResource(client).login()
      const codes: api.ErrorCode[] = ['NOT_FOUND', 'CONFLICT']
      // @ts-expect-error -- there is no such code
      api.isApiError(unknown, 'NOT_FOUNT')
      for await (const row of api.bare(client).export()) void row
      await api.bare(client).import([{ name: 'a' }])
      const record: api.RecordSchema = { a: 'b' }
      const odd: api.PageSchema = { data: 'a' }
      return [state, size, made, brief, wrong, gone, some, part, created, later, saved, access_token, metrics, codes, record, odd]
    }`
  const folder = t.testdir({ 'uses.ts': uses })
  const written = writeClient(folder, document)
  t.equal(await checkStrictly(folder, ['tenon-client.ts', 'uses.ts']), '')
  t.match(written, /^\/\/ Made by `tenon client` from Things 1\.0\.0\./)
  t.match(written, '/** List things. `GET /api/v1/things` */')
  t.match(written, "method: 'GET', path: '/api/v1/things', query, repeated: ['or'], isTagged: true, options }")
  t.match(written, "path: '/oauth/token', form: body, credential: 'none', options }")
  t.match(written, "path: '/login', credential: 'at hand', options }")
  t.match(written, "path: '/', options }")
  t.match(written, 'export interface ThingsFilter {')
  t.match(written, 'export interface ExportThingsQuery<F extends ThingsField = ThingsField> extends ThingsFilter {')
  t.match(written, '/**\n * A thing *\\/ of a\n * shop.\n */\nexport interface Thing {')
  t.equal(written, writeClient(folder, document), 'the same document makes the same file')
})

t.test('a document without lists, streams, codes and bodies has a client without their code', async (t) => {
  const folder = t.testdir()
  const written = writeClient(folder, {
    openapi: '3.0.3',
    info: {},
    paths: { '/a': { get: { responses: { 200: { description: 'Done.' } } } } }
  })
  t.equal(await checkStrictly(folder, ['tenon-client.ts']), '')
  t.notMatch(written, /class Pages|class Rows|function follow|function upload/)
  t.match(written, 'export type ErrorCode = string\n')
})

t.test('schemas as types', async (t) => {
  const { of, declare } = typeWriter((name) => `${name}Schema`)
  const types: [Schema | undefined | boolean, string][] = [
    [undefined, 'unknown'],
    [{}, 'unknown'],
    [{ type: 'integer' }, 'number'],
    [{ type: ['string', 'null'] }, 'string | null'],
    [{ const: "it's" }, "'it\\'s'"],
    [{ enum: ['a', 1, null] }, "'a' | 1 | null"],
    [{ $ref: '#/components/schemas/A' }, 'ASchema'],
    [{ type: 'array', items: { type: ['string', 'null'] } }, '(string | null)[]'],
    [{ type: 'array' }, 'unknown[]'],
    [{ anyOf: [{ type: 'string' }, { type: 'string' }, { type: 'boolean' }] }, 'string | boolean'],
    [{ oneOf: [{ const: 1 }, { type: 'null' }] }, '1 | null'],
    [{ allOf: [{ $ref: '#/A' }, { type: 'object', properties: { b: {} } }] }, 'ASchema & ({\n  b?: unknown\n})'],
    [{ type: 'object' }, 'Record<string, unknown>'],
    [{ type: 'object', additionalProperties: false }, 'Record<string, never>'],
    [{ type: 'object', additionalProperties: { type: 'string' } }, 'Record<string, string>'],
    [
      { type: 'object', properties: { 'a-b': {} }, additionalProperties: { type: 'number' } },
      "{\n  'a-b'?: unknown\n} & Record<string, number>"
    ],
    [
      { type: 'object', required: ['a'], properties: { a: true as never, b: false as never } },
      '{\n  a: unknown\n  b?: never\n}'
    ]
  ]
  for (const [schema, type] of types) t.equal(of(schema as Schema), type)
  t.equal(declare('A', { type: 'string', description: 'A text.' }), '/** A text. */\nexport type A = string\n')
  t.equal(declare('A', { type: 'object', properties: { a: {} } }), 'export interface A {\n  a?: unknown\n}\n')
  t.match(
    declare('A', { type: 'object', properties: { a: {} }, additionalProperties: { type: 'string' } }),
    /^export type A = \{/
  )
})

t.test('names are words of TypeScript, each once', async (t) => {
  const names = new Names(['call'])
  t.same(
    ['call', 'call', 'Map', 'delete', '9lives'].map((name) => names.take(name, `${name}Of`)),
    ['callOf', 'callOf2', 'MapOf', 'deleteOf', '_9lives']
  )
  t.equal(camel('x-api key'), 'xApiKey')
  t.same(['a', 'a-b', '1'].map(property), ['a', "'a-b'", "'1'"])
  t.equal(quoted('"\n\''), `'"\\n\\''`)
  t.equal(comment('  '), '')
})

t.test('functions are called by what they do', async (t) => {
  const operation = (operationId: string, method: string, path: string) => ({
    id: operationId,
    method,
    path,
    parameters: [],
    body: undefined,
    responses: {},
    security: []
  })
  const [group] = groupsOf([
    operation('listApiKeys', 'GET', '/api/v1/api-keys'),
    operation('readApiKey', 'GET', '/api/v1/api-keys/{id}'),
    operation('rotateApiKeySecret', 'POST', '/api/v1/api-keys/{id}/rotate'),
    operation('listApiKeyUses', 'GET', '/api/v1/api-keys/{id}/uses'),
    operation('fetchOne', 'GET', '/api/v1/api-keys/{name}'),
    operation('list', 'GET', '/api/v1/api-keys/odd')
  ])
  t.equal(group?.name, 'apiKeys')
  t.same(
    group?.operations.map(({ name }) => name),
    ['list', 'read', 'rotateSecret', 'listUses', 'fetchOne', 'list2']
  )
})
