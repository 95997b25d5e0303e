import t from 'tap'
import { type DeclaredRoute, describeLimits, listRoutes, nameOfSchema } from '#src/tools/routes/list.ts'

const MIB = 1_048_576
const list = (...routes: DeclaredRoute[]) =>
  listRoutes(
    routes.map((route) => [route, 'here.ts']),
    MIB
  )

t.test('routes are listed by their paths, without those for HEAD and for every preflight', async (t) => {
  const listed = list(
    { method: 'POST', url: '/b' },
    { method: ['GET', 'HEAD'], url: '/b' },
    { method: 'HEAD', url: '/a' },
    { method: 'DELETE', url: '/a' },
    { method: 'OPTIONS', url: '*' }
  )
  t.same(
    listed.map(({ method, path }) => `${method} ${path}`),
    ['DELETE /a', 'GET /b', 'POST /b']
  )
})

t.test('a route has its access, its limits, the names of its schemas and its file', async (t) => {
  const [one] = list({
    method: 'POST',
    url: '/things',
    config: { access: 'things:write', timeoutSeconds: 10, cost: 20, priority: 'batch' },
    schema: { operationId: 'createThing', body: { $id: 'ThingCreate' }, response: { 201: { $id: 'Thing' } } }
  })
  t.same(one, {
    method: 'POST',
    path: '/things',
    access: 'things:write',
    limits: { bodyBytes: MIB, timeoutSeconds: 10, cost: 20, priority: 'batch' },
    request: 'ThingCreate',
    responses: { 201: 'Thing' },
    operationId: 'createThing',
    source: 'here.ts'
  })
})

t.test('limits in words name what differs from a route without any', async (t) => {
  const words = (route: Partial<DeclaredRoute>) => {
    const [one] = list({ method: 'GET', url: '/', ...route })
    return describeLimits(one?.limits as never).join(', ')
  }
  t.equal(words({}), '')
  t.equal(words({ schema: { body: {} } }), '1 MiB')
  t.equal(words({ bodyLimit: 1536, schema: { body: {} } }), '1.5 KiB')
  t.equal(words({ bodyLimit: 512 }), '512 B')
  t.equal(words({ bodyLimit: Number.MAX_SAFE_INTEGER, schema: { body: {} } }), '', 'a body of any length')
  t.equal(words({ config: { isProbe: true, priority: 'health' } }), 'not counted, health')
  t.equal(words({ config: { timeoutSeconds: 2.5, cost: 10 } }), '2.5 s, counts 10')
})

t.test('a schema without a name is told by what is inside', async (t) => {
  const page = { properties: { data: { items: { $id: 'Thing' } }, total: { type: 'integer' } } }
  t.equal(nameOfSchema(page), '{ data: Thing[], total: integer }')
  t.equal(nameOfSchema({ items: { anyOf: [{ $id: 'A' }, { $id: 'B' }, { $id: 'A' }] } }), '(A | B)[]')
  t.equal(nameOfSchema({ type: ['string', 'null'] }), 'string | null')
  t.equal(nameOfSchema({}), 'any')
  t.equal(nameOfSchema({ 'x-documented': { $id: 'Thing' } }), 'Thing')
  t.equal(
    nameOfSchema({ content: { 'text/csv': { schema: { type: 'string' } }, 'text/html': { schema: { $id: 'Page' } } } }),
    'text/csv: string | text/html: Page'
  )
})
