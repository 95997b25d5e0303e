import t from 'tap'
import { exampleOf } from '#src/openapi/examples.ts'

t.test("an example is the schema's own, or a combination of the examples of its parts", async (t) => {
  for (const [schema, example] of [
    [{ type: 'string', examples: ['Oak'] }, 'Oak'],
    [{ type: 'integer', default: 50 }, 50],
    [{ const: 'Bearer' }, 'Bearer'],
    [{ enum: ['a', 'b'] }, 'a'],
    [{ anyOf: [{ type: 'boolean' }, { type: 'null' }] }, true],
    [{ type: 'null' }, null],
    [{ type: 'number', minimum: 5 }, 5],
    [{ type: 'number', exclusiveMinimum: 0 }, 1],
    [{ type: ['string', 'null'], format: 'uuid' }, '0192f0c1-2345-7abc-8def-0123456789ab'],
    [{ type: 'string', examples: [] }, 'text'],
    [{ type: 'string' }, 'text'],
    [{}, 'text'],
    [{ type: 'array' }, []],
    [{ type: 'array', items: { type: 'boolean' } }, [true]],
    [{ type: 'object' }, {}],
    [{ type: 'object', properties: { a: { type: 'integer' } } }, { a: 1 }]
  ] as const) {
    t.same(exampleOf(schema as never), example, JSON.stringify(schema))
  }
})
