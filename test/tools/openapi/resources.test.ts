import t from 'tap'
import { operationsOf, prepareDocument } from '#src/tools/openapi/document.ts'
import {
  answerSchema,
  isJsonMedia,
  limitOf,
  resourceOfField,
  resourceOfParameter,
  resourcesOf,
  rowsOf
} from '#src/tools/openapi/resources.ts'
import { Schemas } from '#src/tools/openapi/schemas.ts'

const answers = (properties: object, status = '200') => ({
  [status]: { content: { 'application/json': { schema: { type: 'object', properties } } } }
})
const read = (properties: object = { id: {} }, status?: string) => ({ get: { responses: answers(properties, status) } })
const document = prepareDocument({
  openapi: '3.1.0',
  servers: [{ url: 'http://api.test' }],
  paths: {
    '/v1/categories/{id}': read(),
    '/v1/categories/': { get: {}, post: {} },
    '/v2/categories/{id}': read(),
    '/v1/addresses/{addressId}': read({ addressId: {} }, '2XX'),
    '/v1/categories/{id}/boxes/{boxId}': read({ boxId: {} }),
    '/v1/reports/{name}': read({ text: {} }),
    '/v1/files/{id}': { get: { responses: { 200: { content: { 'text/plain': {} } } } } },
    '/{tenant}/{id}': read(),
    '/v1/silent/{id}': { get: {} },
    '/v1/last/{id}': { put: {} }
  }
})
const schemas = new Schemas({})
const resources = resourcesOf(operationsOf(document), schemas)

t.test('finds resources by their paths, and the field of their id', (t) => {
  t.same(
    resources.map(({ name, collection, idField }) => [name, collection, idField]),
    [
      ['categories', '/v1/categories', 'id'],
      ['categories', '/v2/categories', 'id'],
      ['addresses', '/v1/addresses', 'addressId'],
      ['boxes', '/v1/categories/{id}/boxes', 'boxId'],
      ['', '/{tenant}', 'id']
    ]
  )
  t.ok(resources[0]?.create && resources[0].list && !resources[0].update)
  t.end()
})

t.test('finds the resource that a field or a parameter refers to, the nearest of several', (t) => {
  const collection = (path: string, field: string) => resourceOfField(resources, path, field)?.collection
  t.equal(collection('/v2/products', 'categoryId'), '/v2/categories')
  t.equal(collection('/v1/products', 'category_ids'), '/v1/categories')
  t.equal(collection('/v1/people', 'addressId'), '/v1/addresses')
  t.equal(collection('/v1/people', 'box_id'), '/v1/categories/{id}/boxes')
  t.equal(collection('/v2/categories/bulk', 'ids'), '/v2/categories')
  t.equal(collection('/v1/categories', 'id'), undefined, 'its own id is no reference')
  t.equal(collection('/v1/products', 'name'), undefined)
  t.equal(collection('/v1/products', 'ownerId'), undefined)
  const of = (path: string, name: string) => resourceOfParameter(resources, path, name)?.collection
  t.equal(of('/v1/categories/{id}/boxes/{boxId}/open', 'boxId'), '/v1/categories/{id}/boxes')
  t.equal(of('/v1/categories/{id}/boxes/{boxId}', 'id'), '/v1/categories')
  t.end()
})

t.test('knows the rows of a page, its length, and JSON', (t) => {
  t.same(rowsOf([1]), [1])
  t.same(rowsOf({ other: [2], items: [1] }), [1])
  t.same(rowsOf({ total: 1, things: [1] }), [1])
  t.equal(rowsOf({ total: 1 }), undefined)
  t.equal(rowsOf('text'), undefined)
  const [operation] = operationsOf(document)
  const limit = (name: string, schema?: object) => ({ ...operation, parameters: [{ name, in: 'query', schema }] })
  t.same(limitOf(limit('per_page', { maximum: 30 }) as never), { name: 'per_page', most: 30 })
  t.same(limitOf(limit('size') as never), { name: 'size', most: 100 })
  t.equal(limitOf(limit('other') as never), undefined)
  t.same(['application/json; charset=utf-8', 'application/problem+json', 'application/x-ndjson', ''].map(isJsonMedia), [
    true,
    true,
    false,
    false
  ])
  t.equal(answerSchema({ responses: {} } as never), undefined)
  t.end()
})
