import fc from 'fast-check'
import t from 'tap'
import type { Json, Schema } from '#src/tools/openapi/schema.ts'
import { Schemas } from '#src/tools/openapi/schemas.ts'
import { invalidOf } from '#src/tools/values/invalid.ts'
import { valuesOf } from '#src/tools/values/values.ts'

const schemas = new Schemas({
  Tree: {
    type: 'object',
    required: ['name'],
    properties: {
      name: { type: 'string' },
      left: { anyOf: [{ $ref: '#/components/schemas/Tree' }, { type: 'null' }] },
      children: { type: 'array', items: { $ref: '#/components/schemas/Tree' } }
    }
  }
})
const sample = (schema: Schema, numRuns = 400): Json[] => {
  const values = valuesOf(schema, schemas)
  if (!values) throw new Error(`no value: ${JSON.stringify(schema)}`)
  return fc.sample(values, { numRuns, seed: 3 })
}

const FORMATS = [
  'date-time',
  'date',
  'time',
  'duration',
  'email',
  'hostname',
  'ipv4',
  'ipv6',
  'uri',
  'uri-reference',
  'uuid',
  'byte',
  'url'
]
const POSSIBLE: Record<string, Schema> = {
  ...Object.fromEntries(FORMATS.map((format) => [format, { type: 'string', format }])),
  'any text': { type: 'string' },
  'a short text': { type: 'string', minLength: 2, maxLength: 3 },
  'a word': { type: 'string', pattern: '^[a-z]{2,4}$' },
  'a word with examples': { type: 'string', pattern: '^[a-z]{3}-[0-9]{3}$', examples: ['abc-123'], maxLength: 7 },
  'no blank text': { type: 'string', pattern: '\\S', minLength: 1, default: 'x' },
  'a pattern that looks ahead': { type: 'string', pattern: '^(?=.*q)[a-z]{9}$', examples: ['qqqqqqqqq'] },
  'a long word': { type: 'string', pattern: '^[a-z]+$', minLength: 300, examples: ['a'.repeat(300)] },
  'an integer': { type: 'integer' },
  'a bounded integer': { type: 'integer', minimum: -3, maximum: 12 },
  'an exclusive integer': { type: 'integer', exclusiveMinimum: 3, exclusiveMaximum: 6 },
  'a multiple': { type: 'integer', multipleOf: 5, minimum: 1, maximum: 100 },
  'a small integer': { type: 'integer', format: 'int32' },
  'a number': { type: 'number' },
  'a bounded number': { type: 'number', exclusiveMinimum: 0, exclusiveMaximum: 10 },
  'a high number': { type: 'number', minimum: 5_000_000 },
  'a multiple of a fraction': { type: 'number', multipleOf: 0.5 },
  'a constant': { const: 5 },
  'one of some': { enum: ['a', null] },
  'one or none': { type: ['boolean', 'null'] },
  anything: {},
  list: { type: 'array', items: { type: 'integer' }, maxItems: 8, examples: [[1, 2]] },
  'a list of anything': { type: 'array' },
  'a list without repetition': { type: 'array', items: { type: 'string' }, uniqueItems: true, minItems: 1 },
  'an open object': { type: 'object' },
  'a dictionary': {
    type: 'object',
    propertyNames: { pattern: '^[a-z]{2}$' },
    additionalProperties: { type: 'integer' },
    maxProperties: 3
  },
  'a large dictionary': { type: 'object', additionalProperties: true, maxProperties: 500, minProperties: 1 },
  'one or the other': { oneOf: [{ type: 'string', minLength: 1 }, { type: 'integer' }] },
  'one or the other, of one type': {
    type: 'object',
    required: ['a'],
    properties: { a: {} },
    anyOf: [{ required: ['b'], properties: { b: {} } }, {}]
  },
  'a tree': { $ref: '#/components/schemas/Tree' },
  'an object': {
    type: 'object',
    additionalProperties: false,
    required: ['a'],
    properties: { a: { type: 'string' }, b: { type: 'integer' }, c: { type: 'string', readOnly: true } }
  }
}

t.test('values fit their schema, are the same for the same seed, and lie on its bounds', (t) => {
  for (const [name, schema] of Object.entries(POSSIBLE)) {
    const values = sample(schema)
    t.ok(
      values.every((value) => schemas.fits(schema, value)),
      name
    )
    t.same(sample(schema), values, `${name} again`)
  }
  const bounded = sample(POSSIBLE['a bounded integer'] as Schema)
  t.ok(bounded.includes(-3) && bounded.includes(12))
  const texts = sample({ type: 'string', minLength: 1, maxLength: 300 }).map((text) => [...(text as string)].length)
  t.ok(texts.includes(1) && texts.includes(300))
  const lists = sample(POSSIBLE.list as Schema).map((list) => (list as Json[]).length)
  t.ok(lists.includes(0) && lists.includes(8))
  const objects = sample(POSSIBLE['an object'] as Schema).map((value) => Object.keys(value as object).join())
  t.same([...new Set(objects)].sort(), ['a', 'a,b'], 'what only the server writes is left out')
  t.end()
})

t.test('what cannot be made comes from the examples, or not at all', (t) => {
  t.same(
    new Set(sample({ type: 'string', format: 'iso-4217', examples: ['USD'], default: 'EUR' })),
    new Set(['USD', 'EUR'])
  )
  const impossible: Schema = { type: 'object', minProperties: 2, additionalProperties: false, properties: { a: {} } }
  t.equal(valuesOf(impossible, schemas), undefined)
  t.equal(valuesOf({ type: 'string', pattern: '^(?=.*q)[a-z]{9}$' }, schemas), undefined)
  const even: Schema = { ...impossible, properties: { a: {}, b: {} }, minProperties: 3, examples: [{}] }
  t.equal(valuesOf(even, schemas), undefined, 'an example that is none')
  const named: Schema = {
    type: 'object',
    required: ['a', 'b'],
    minProperties: 1,
    propertyNames: { maxLength: 1 },
    properties: { a: {} }
  }
  t.same(new Set(sample({ ...named, examples: [{ a: 1, b: 2 }] })), new Set([{ a: 1, b: 2 }]))
  t.end()
})

t.test('an invalid value breaks its schema in the place that it names', (t) => {
  for (const [name, schema] of Object.entries(POSSIBLE)) {
    const values = valuesOf(schema, schemas) as fc.Arbitrary<Json>
    const invalid = invalidOf(schema, values, schemas)
    if (!invalid) continue
    const made = fc.sample(invalid, { numRuns: 100, seed: 3 })
    t.ok(
      made.every(({ value }) => !schemas.fits(schema, value)),
      name
    )
  }
  const faults = (schema: Schema) => {
    const invalid = invalidOf(schema, valuesOf(schema, schemas) as fc.Arbitrary<Json>, schemas) as fc.Arbitrary<{
      path: string
      fault: string
    }>
    return new Set(fc.sample(invalid, { numRuns: 600, seed: 3 }).map(({ path, fault }) => `${path} ${fault}`.trim()))
  }
  const object: Schema = {
    type: 'object',
    additionalProperties: false,
    required: ['list'],
    properties: {
      list: {
        type: 'array',
        minItems: 1,
        maxItems: 2,
        uniqueItems: true,
        items: { type: 'number', exclusiveMinimum: 0, exclusiveMaximum: 9 }
      },
      word: { type: 'string', minLength: 1, maxLength: 9, pattern: '^[a-z]+$' },
      kind: { enum: ['a', 'b'] },
      size: { type: 'integer', minimum: 1, maximum: 9 }
    }
  }
  const found = faults(object)
  for (const expected of [
    'without list',
    'an unknown field',
    '/list too few items',
    '/list too many items',
    '/list an item twice',
    '/list/0 at the exclusive minimum',
    '/list/0 at the exclusive maximum',
    '/word too short',
    '/word too long',
    '/word against the pattern',
    '/kind none of the values',
    '/size below the minimum',
    '/size above the maximum',
    '/size a fraction',
    '/size null for integer'
  ])
    t.ok(found.has(expected), expected)
  t.equal(invalidOf({}, fc.constant<Json>(1), schemas), undefined, 'where everything is valid, nothing is invalid')
  t.end()
})
