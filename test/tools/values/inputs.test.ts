import fc from 'fast-check'
import t from 'tap'
import type { Operation } from '#src/tools/openapi/document.ts'
import type { Json, Schema } from '#src/tools/openapi/schema.ts'
import { Schemas } from '#src/tools/openapi/schemas.ts'
import { inputsOf, invalidInputsOf } from '#src/tools/values/inputs.ts'

const schemas = new Schemas({})

const operation = (parts: Partial<Operation>): Operation => ({
  id: 'a',
  method: 'POST',
  path: '/a/{id}',
  parameters: [],
  body: undefined,
  responses: {},
  security: [],
  ...parts
})
const IMPOSSIBLE: Schema = { type: 'object', minProperties: 2, additionalProperties: false }

t.test('inputs have what is required, and some of the rest', (t) => {
  const sampled = (one: Operation) =>
    fc.sample(inputsOf(one, schemas) as fc.Arbitrary<{ body?: Json; path: object; query: object }>, {
      numRuns: 200,
      seed: 1
    })
  const inputs = sampled(
    operation({
      parameters: [
        { name: 'id', in: 'path', required: true, schema: { type: 'string' } },
        { name: 'q', in: 'query', schema: { type: 'string' }, example: 'oak' } as never,
        { name: 'json', in: 'query', content: { 'application/json': { schema: { type: 'object' } } } },
        { name: 'never', in: 'query', schema: IMPOSSIBLE },
        { name: 'bare', in: 'query' }
      ],
      body: {
        required: false,
        content: {
          'application/json': { schema: { type: 'integer' } },
          'multipart/form-data': { schema: {} },
          'text/plain': {}
        }
      }
    })
  )
  t.ok(inputs.every(({ path }) => 'id' in path && !['', '.', '..'].includes(path.id as string)))
  t.same([...new Set(inputs.flatMap(({ query }) => Object.keys(query)))].sort(), ['json', 'q'])
  t.same([...new Set(inputs.map(({ body }) => typeof body))].sort(), ['number', 'undefined'])
  t.equal(
    inputsOf(operation({ parameters: [{ name: 'a', in: 'query', required: true, schema: IMPOSSIBLE }] }), schemas),
    undefined
  )
  t.equal(inputsOf(operation({ body: { required: true, content: {} } }), schemas), undefined)
  t.equal(invalidInputsOf(operation({ body: { required: true, content: {} } }), schemas), undefined)
  t.equal(invalidInputsOf(operation({}), schemas), undefined, 'nothing can be wrong')
  t.end()
})

t.test('invalid parameters are texts that no reading of their schema takes', (t) => {
  const wrong = (schema: Schema, place = 'query') => {
    const invalid = invalidInputsOf(operation({ parameters: [{ name: 'a', in: place as 'query', schema }] }), schemas)
    if (!invalid) return []
    const made = fc.sample(invalid, { numRuns: 200, seed: 1 })
    return [...new Set(made.map(({ input }) => JSON.stringify(input[place as 'query'].a)))].sort()
  }
  t.same(wrong({ type: 'string', format: 'uuid' }), ['"123"', '"not-a-uuid"'])
  t.same(wrong({ type: 'string', format: 'date-time' }).length, 2)
  t.same(wrong({ type: 'string', minLength: 2, maxLength: 3 }), ['"x"', '"xxxx"'])
  t.same(wrong({ type: 'string', maxLength: 3 }, 'header'), [])
  t.same(wrong({ type: 'integer', minimum: 1, maximum: 9 }), [
    '"--1"',
    '"0x10"',
    '"1.5"',
    '"1e400"',
    '"text"',
    '0',
    '10'
  ])
  t.same(wrong({ type: 'number' }).includes('"1.5"'), false)
  t.same(wrong({ type: 'boolean' }), ['"maybe"'])
  t.same(wrong({ enum: ['a'] }), ['"none-of-the-values"'])
  t.same(wrong({ type: 'array', maxItems: 1, items: { type: 'string', enum: ['b'] } }), [
    '["b","b"]',
    '["none-of-the-values"]'
  ])
  t.same(wrong({ type: 'array', items: { type: 'integer' } }), ['["text"]'])
  t.same(wrong({ type: 'object' }), [])
  t.end()
})
