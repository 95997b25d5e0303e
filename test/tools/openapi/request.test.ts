import t from 'tap'
import type { Operation, Parameter } from '#src/tools/openapi/document.ts'
import { noInput, type OperationInput, requestOf } from '#src/tools/openapi/request.ts'
import type { Json } from '#src/tools/openapi/schema.ts'

const operation = (path: string, parameters: Parameter[] = []): Operation => ({
  id: 'a',
  method: 'POST',
  path,
  parameters,
  body: undefined,
  responses: {},
  security: []
})

t.test('spells each parameter of a query in its style', (t) => {
  const spell = (value: Json, more: Partial<Parameter> = {}) =>
    requestOf(operation('/a', [{ name: 'a[b]', in: 'query', ...more }]), { ...noInput(), query: { 'a[b]': value } })
      .target
  t.equal(spell('x y&z'), '/a?a%5Bb%5D=x%20y%26z')
  t.equal(spell(['x', 'y,z']), '/a?a%5Bb%5D=x&a%5Bb%5D=y%2Cz')
  t.equal(spell(['x', 'y,z'], { explode: false }), '/a?a%5Bb%5D=x,y%2Cz')
  t.equal(spell(['x', 'y'], { style: 'spaceDelimited' }), '/a?a%5Bb%5D=x%20y')
  t.equal(spell(['x', 'y'], { style: 'pipeDelimited' }), '/a?a%5Bb%5D=x%7Cy')
  t.equal(spell({ c: 1, d: true }), '/a?c=1&d=true')
  t.equal(spell({ c: 1, d: null }, { explode: false }), '/a?a%5Bb%5D=c,1,d,null')
  t.equal(spell({ c: 1 }, { style: 'deepObject' }), '/a?a%5Bb%5D%5Bc%5D=1')
  t.equal(spell({ c: 1 }, { content: { 'application/json': {} } }), '/a?a%5Bb%5D=%7B%22c%22%3A1%7D')
  t.end()
})

t.test('fills the path, and sends headers and cookies without what HTTP does not take', (t) => {
  const input = {
    ...noInput(),
    path: { id: 'a/b' },
    header: { 'x-list': ['a', 1], 'x-text': 'é\n中' },
    cookie: { c: 'a b' }
  }
  t.same(requestOf(operation('/a/{id}/{none}'), input), {
    method: 'POST',
    target: '/a/a%2Fb/',
    headers: { 'x-list': 'a,1', 'x-text': 'é??', cookie: 'c=a%20b' },
    body: undefined
  })
  t.end()
})

t.test('a body is JSON, a form, or the text itself, as its media type says', (t) => {
  const body = (contentType: string | undefined, value?: Json) => {
    const input: OperationInput = {
      ...noInput(),
      ...(contentType && { contentType }),
      ...(value !== undefined && { body: value })
    }
    return requestOf(operation('/a'), input).body
  }
  t.equal(body('application/merge-patch+json', { a: null }), '{"a":null}')
  t.equal(body('application/x-www-form-urlencoded', { a: 'x y', b: [1, 2] }), 'a=x+y&b=1%2C2')
  t.equal(body('application/x-ndjson', '{}\n{}'), '{}\n{}')
  t.equal(body('text/csv', 5), '5')
  t.equal(body('application/json'), undefined)
  t.equal(body(undefined, 'a'), undefined)
  t.end()
})
