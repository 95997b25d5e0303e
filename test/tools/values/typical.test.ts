import t from 'tap'
import type { Json, Schema } from '#src/tools/openapi/schema.ts'
import { Schemas } from '#src/tools/openapi/schemas.ts'
import { fill, jsonTemplate, pathTemplate, referenceTo, UNIQUE } from '#src/tools/values/template.ts'
import { referencesIn, typicalBody, type Variation } from '#src/tools/values/typical.ts'

const schemas = new Schemas({ Tree: { type: 'object', properties: { inner: { $ref: '#/components/schemas/Tree' } } } })
const resources = [
  { name: 'categories', collection: '/categories', create: {} },
  { name: 'logs', collection: '/logs' }
] as never
const ALL: Variation = { fields: 'all', unique: 'all', isLarge: false }
const body = (schema: Schema, variation: Partial<Variation> = {}) =>
  typicalBody(schema, { schemas, resources, path: '/things', variation: { ...ALL, ...variation } })
const field = (schema: Schema, variation: Partial<Variation> = {}, name = 'a') =>
  (body({ type: 'object', required: [name], properties: { [name]: schema } }, variation) as { [name: string]: Json })[
    name
  ]

t.test('a body has the examples of its schema, or the simplest values', (t) => {
  t.equal(field({ type: 'integer', examples: [7] }), 7)
  t.equal(field({ type: 'integer', default: 8 }), 8)
  t.equal(field({ type: 'integer', minimum: 5 }), 5)
  t.equal(field({ type: 'number', exclusiveMinimum: 5, multipleOf: 2 }), 6)
  t.equal(field({ type: 'number', maximum: 0.5 }), 0.5)
  t.equal(field({ type: 'integer' }), 1)
  t.equal(field({ type: 'integer', maximum: 9, examples: [7] }, { isLarge: true }), 9)
  t.equal(field({ enum: ['x', 'y'] }), 'x')
  t.equal(field({ const: 5 }), 5)
  t.equal(field({ type: 'boolean' }), true)
  t.equal(field({ type: 'boolean', default: false }), false)
  t.equal(field({}), false)
  t.equal(field({ examples: ['e'] }), 'e')
  t.same(field({ type: 'array', items: { type: 'integer' } }), [])
  t.same(field({ type: 'array', default: [3] }), [3])
  t.same(field({ type: 'array', examples: [[1]] }), [1])
  t.same(field({ type: 'array', minItems: 2, items: { type: 'integer' } }), [1, 1])
  t.same(field({ type: 'array', minItems: 1 }), [false])
  t.same(field({ type: 'object', examples: [{ x: 1 }] }), { x: 1 })
  t.same(field({ type: 'object' }), {})
  t.equal(field({ anyOf: [{ type: 'integer' }, { type: 'null' }] }), 1)
  t.equal(field({ oneOf: [{ type: 'integer', minimum: 3 }] }), 3)
  t.ok(JSON.stringify(body({ $ref: '#/components/schemas/Tree' })).length < 200, 'a tree ends')
  t.end()
})

t.test('texts are new each time where they may be', (t) => {
  t.equal(field({ type: 'string', examples: ['Oak'] }), `Oak-${UNIQUE}`)
  t.equal(field({ type: 'string', maxLength: 12, examples: ['A long example'] }), `A-${UNIQUE}`)
  t.equal(field({ type: 'string', maxLength: 10, pattern: '^[a-z]+$' }), UNIQUE)
  t.equal(field({ type: 'string', pattern: '^[a-z]+$', examples: ['abc'] }), `abc${UNIQUE}`)
  t.equal(field({ type: 'string', maxLength: 3, examples: ['abc'] }), 'abc')
  t.equal(field({ type: 'string', format: 'email' }), `u${UNIQUE}@example.com`)
  t.equal(field({ type: 'string', format: 'date', examples: ['2026-01-01'] }), '2026-01-01')
  t.match(field({ type: 'string', format: 'uuid' }), /^[0-9a-f-]{36}$/)
  t.equal(field({ type: 'string', examples: [5] }), `text-${UNIQUE}`)
  t.equal(field({ type: 'string', default: 'x' }, { unique: 'none' }), 'x')
  const schema: Schema = {
    type: 'object',
    required: ['a'],
    properties: { a: { type: 'string', examples: ['a'] }, b: { type: 'string', examples: ['b'] } }
  }
  t.same(body(schema, { unique: 'required' }), { a: `a-${UNIQUE}`, b: 'b' })
  t.same(body(schema, { fields: 'required', unique: 'none' }), { a: 'a' })
  t.same(body({ type: 'object', properties: { id: { type: 'string', readOnly: true } } }), {})
  t.end()
})

t.test('references have a mark, and null where they are not needed', (t) => {
  const id: Schema = { type: 'integer' }
  t.equal(field(id, {}, 'categoryId'), referenceTo('/categories'))
  t.equal(field({ type: ['string', 'null'] }, {}, 'categoryId'), referenceTo('/categories'), 'it is required')
  const optional = { type: 'object', properties: { categoryId: { type: ['string', 'null'] } } } as const
  t.same(body(optional as never), { categoryId: null })
  t.equal(field(id, {}, 'logId'), 1, 'what cannot be made cannot be referred to')
  t.same(referencesIn({ a: [referenceTo('/categories'), referenceTo('/categories')] }), ['/categories'])
  t.end()
})

t.test('a template is filled with new texts and ids', (t) => {
  const filling = { unique: 'abcdefghij', id: 'a/b', reference: (to: string) => to.length }
  const template = jsonTemplate({ name: `x-${UNIQUE}"`, to: referenceTo('/things') })
  t.equal(fill(template, filling, false), '{"name":"x-abcdefghij\\"","to":7}')
  const path = pathTemplate('/a/{id}/b/{other}/{none}/{to}', {
    id: { is: 'id' },
    other: 'ö',
    to: { is: 'reference', to: '/x' }
  })
  t.equal(fill(path, filling, true), '/a/a%2Fb/b/%C3%B6//2')
  t.equal(UNIQUE.length, filling.unique.length)
  t.end()
})
