import { type TSchema, Type } from '@sinclair/typebox'
import t from 'tap'
import { maxValuesOf } from '#src/schema/bounds.ts'
import { Nullable } from '#src/schema/fields.ts'

const strict = { additionalProperties: false }
const words = Type.Array(Type.String(), { maxItems: 20 })

t.test('the bound of a body follows from its schema: four times the most valid values, at least 1,000', async (t) => {
  const bounds: [name: string, schema: TSchema, values: number][] = [
    ['a text', Type.String(), 1],
    ['two fields', Type.Object({ a: Type.Integer(), b: Nullable(Type.String()) }, strict), 3],
    ['a list', Type.Object({ words }, strict), 22],
    ['a list without a bound', Type.Array(Type.Boolean()), 1_001],
    ['a list of anything', Type.Array(Type.Unknown(), { maxItems: 2 }), 2_001],
    ['a list that says so in its documentation', Type.Array({ ...Type.Unknown(), 'x-documented': words }), 21_001],
    ['a bare list', { type: 'array', maxItems: 3 } as unknown as TSchema, 3_001],
    ['the largest branch', Type.Union([words, Type.Null()]), 21],
    ['all branches', Type.Intersect([words, words]), 42],
    ['a choice of values', { enum: ['a', 1] } as unknown as TSchema, 1],
    ['a constant', { const: 'a' } as unknown as TSchema, 1],
    ['any shape', Type.Unknown(), 1_000],
    ['any shape with a bound of its own', Type.Unknown({ 'x-max-values': 50 }), 50],
    ['members of any name', Type.Object({ a: words }), 1_022],
    ['few members of any name', Type.Object({}, { additionalProperties: words, maxProperties: 5 }), 106],
    ['members by a pattern', Type.Record(Type.String({ pattern: '^a' }), words, { maxProperties: 2 }), 43]
  ]
  for (const [name, schema, values] of bounds) t.equal(maxValuesOf(schema), 1_000 + 4 * values, name)
})
