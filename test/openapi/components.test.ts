import t from 'tap'
import { hoistComponents, nameComponents } from '#src/openapi/components.ts'

const named = nameComponents({
  body: { $id: 'Create', type: 'object', properties: { price: { $id: 'Price', type: 'integer' } } },
  list: [{ $id: 'Price', type: 'integer' }, 'text', null],
  answer: { type: 'string', description: 'Kept.', 'x-documented': { type: 'integer' } }
})

t.test('every named schema becomes one component, and all uses refer to it', async (t) => {
  const document = hoistComponents({ openapi: '3.1.0', components: { securitySchemes: {} }, paths: named as object })
  const price = { $ref: '#/components/schemas/Price' }
  t.match(document, {
    openapi: '3.1.0',
    components: {
      securitySchemes: {},
      schemas: { Create: { type: 'object', properties: { price } }, Price: { type: 'integer' } }
    },
    paths: { body: { $ref: '#/components/schemas/Create' }, list: [price, 'text', null] }
  })
  t.notMatch(JSON.stringify(document), /\$id|x-component|x-documented/)
})

t.test('components are sorted by name', async (t) => {
  const paths = nameComponents([{ $id: 'B' }, { $id: 'A' }, { $id: 'C' }]) as object
  const { components } = hoistComponents({ paths }) as { components: { schemas: object } }
  t.same(Object.keys(components.schemas), ['A', 'B', 'C'])
})

t.test('a documented schema replaces the served one', async (t) => {
  t.match((named as { answer: object }).answer, { type: 'integer', description: 'Kept.' })
})

t.test('two different schemas with one name stop the start', async (t) => {
  const paths = nameComponents([
    { $id: 'A', type: 'string' },
    { $id: 'A', type: 'integer' }
  ]) as object
  t.throws(() => hoistComponents({ paths }), { message: "two different schemas have the $id 'A'" })
})
