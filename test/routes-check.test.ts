import t from 'tap'
import { checkRoutes, RouteError } from '#src/http/route-checks.ts'

const route = (answer: object) => ({
  method: 'GET',
  url: '/x',
  config: { access: 'public' },
  schema: { response: { 200: answer } }
})
const check = (answer: object) => checkRoutes([route(answer)])

t.test('an answer with only declared fields is accepted', async (t) => {
  const closed = [
    { const: 'yes' },
    { type: 'null' },
    { type: 'array', items: { type: 'string' } },
    { type: ['object', 'null'], properties: { a: { anyOf: [{ type: 'string' }, { type: 'null' }] } } },
    { type: 'object', 'x-any-shape': 'a document has a shape of its own' },
    { content: { 'text/plain': { schema: { type: 'string' } } } }
  ]
  for (const answer of closed) t.doesNotThrow(() => check(answer), JSON.stringify(answer))
})

t.test('an answer that may hold anything is refused, and the place is named', async (t) => {
  const open: [answer: object, place: string][] = [
    [{}, '/'],
    [{ type: 'object' }, '/'],
    [{ type: 'array' }, '/'],
    [{ type: 'object', properties: { a: { type: 'array', items: {} } } }, '/a/*'],
    [{ type: 'object', properties: { a: { type: 'string' } }, additionalProperties: true }, '/'],
    [{ type: 'object', properties: {}, patternProperties: {} }, '/'],
    [{ anyOf: [{ type: 'string' }, {}] }, '/1'],
    [{ content: { 'text/plain': { schema: {} } } }, '/']
  ]
  for (const [answer, place] of open) {
    t.throws(() => check(answer), new RouteError(`GET /x 200 may send anything at '${place}': declare its fields`))
  }
})
