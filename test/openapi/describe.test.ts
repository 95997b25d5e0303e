import type { FastifySchema, RouteOptions } from 'fastify'
import t from 'tap'
import { describeErrors, describeSecurity } from '#src/openapi/describe.ts'
import { finishOperations } from '#src/openapi/finish.ts'

const route = (method: string, access?: string) => ({ method, config: { access } }) as unknown as RouteOptions

function statuses(schema: FastifySchema, one: RouteOptions): number[] {
  return Object.keys(describeErrors(schema, one).response as object).map(Number)
}

t.test('a route documents its scope', async (t) => {
  t.same(describeSecurity({}, route('GET', 'public')).security, [])
  t.same(describeSecurity({}, { method: 'GET', url: '/', handler: () => {} } as unknown as RouteOptions).security, [])
  t.same(describeSecurity({}, route('GET', 'authenticated')).security, [{ bearer: [] }, { apiKey: [] }, { oauth2: [] }])
  t.same(describeSecurity({}, route('GET', 'account')).security, [{ bearer: [] }], 'no key')
  t.same(describeSecurity({}, route('POST', 'client')).security, [{ client: [] }, {}])
  t.same(describeSecurity({}, route('PATCH', 'items:write')).security, [
    { bearer: ['items:write'] },
    { apiKey: ['items:write'] },
    { oauth2: ['items:write'] }
  ])
})

t.test('a public read without parameters has only the general errors', async (t) => {
  t.same(statuses({}, route('GET', 'public')), [400, 401, 422, 429, 500, 503])
})

t.test('a change by id documents every refusal', async (t) => {
  const schema = { params: {}, body: {}, headers: { properties: {} }, response: { 200: {} } }
  const all = [200, 400, 401, 403, 404, 409, 412, 413, 414, 415, 422, 429, 500, 503]
  t.same(statuses(schema, route('PATCH', 'items:write')), all)
  t.notOk(statuses(schema, route('GET', 'items:read')).includes(412))
  t.notOk(statuses({ headers: {} }, route('PATCH', 'items:write')).includes(412))
})

t.test("a route's own description of an answer is not replaced", async (t) => {
  const mine = { description: 'Mine.' }
  const response = describeErrors({ response: { 409: mine } }, route('POST', 'public')).response as object
  t.equal((response as Record<number, unknown>)[409], mine)
})

t.test('every error names its codes and is a Problem', async (t) => {
  const response = describeErrors({}, route('GET', 'public')).response as Record<number, unknown>
  t.match(response[503], {
    description: 'Unavailable (`UNAVAILABLE`), Deadline exceeded (`DEADLINE_EXCEEDED`), Overloaded (`OVERLOADED`)',
    content: { 'application/problem+json': { schema: { $id: 'Problem' } } }
  })
})

t.test('an operation without parameters and body still says what its answers mean', async (t) => {
  const paths = { '/ping': { get: { responses: { 200: { description: 'Default Response' } } } } }
  t.match(finishOperations({ paths, components: {} }), {
    paths: { '/ping': { get: { responses: { 200: { description: 'It was done; the answer is the result.' } } } } }
  })
})
