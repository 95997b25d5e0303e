import t from 'tap'
import { checkAnswer } from '#src/tools/fuzz/answer.ts'
import { changedFields, lostPlace } from '#src/tools/fuzz/equality.ts'
import { curlLine, summaryOf } from '#src/tools/fuzz/finding.ts'
import type { Answer } from '#src/tools/openapi/client.ts'
import { authorizeBy, badCredentials, isPublic } from '#src/tools/openapi/credentials.ts'
import { type ApiDocument, type Operation, prepareDocument } from '#src/tools/openapi/document.ts'
import type { Json, Schema } from '#src/tools/openapi/schema.ts'
import { Schemas } from '#src/tools/openapi/schemas.ts'

const schemas = new Schemas({})
const request = { method: 'GET', target: '/a', headers: {}, body: undefined }

t.test('an answer is compared with its documentation', (t) => {
  const json = { schema: { type: 'object', required: ['a'], properties: { a: { type: 'integer' } } } }
  const operation: Operation = {
    id: 'op',
    method: 'GET',
    path: '/a',
    parameters: [],
    body: undefined,
    security: [],
    responses: {
      200: {
        content: { 'application/json': json, 'text/*': {} },
        headers: { 'X-Count': { schema: { type: 'integer' } } }
      },
      204: {},
      '4XX': { content: { '*/*': {} } },
      503: { headers: { 'X-Needed': { required: true } } }
    }
  }
  const fault = (answer: Partial<Answer>, more: object = {}) => {
    try {
      const whole = {
        status: 200,
        text: JSON.stringify(answer.json) ?? '',
        headers: { 'content-type': 'application/json' },
        json: undefined,
        ...answer
      }
      checkAnswer(operation, { ...request, ...more }, whole, schemas)
      return undefined
    } catch (error) {
      return (error as Error).message
    }
  }
  t.equal(fault({ json: { a: 1 } }), undefined)
  t.match(fault({ json: { a: 'x' } }), /the body of 200 does not fit its schema: \/a must be integer/)
  t.match(fault({ json: {} }), /it must have required property/)
  t.equal(fault({ json: {} }, { target: '/a?fields=b' }), undefined)
  t.equal(fault({ headers: { 'content-type': 'text/csv; charset=utf-8' }, text: 'a' }), undefined)
  t.match(
    fault({ headers: { 'content-type': 'image/png' }, text: 'a' }),
    /200 comes as 'image\/png', which is not documented/
  )
  t.match(fault({ headers: {}, text: 'a' }), /200 comes as ''/)
  t.match(fault({ text: '{' }), /the body of 200 is not JSON/)
  t.equal(fault({ status: 204, text: '' }), undefined)
  t.equal(fault({ text: '' }, { method: 'HEAD' }), undefined)
  t.equal(fault({ text: '' }, { headers: { prefer: 'return=minimal' } }), undefined)
  t.match(fault({ text: '' }), /is not JSON/)
  t.equal(fault({ status: 418, text: 'a', headers: { 'content-type': 'text/plain' } }), undefined)
  t.match(fault({ status: 300 }), /300 is not documented/)
  t.match(fault({ status: 500 }), /the answer is 500/)
  t.match(fault({ status: 503 }), /the answer is 503/)
  t.match(fault({ status: 503, headers: { 'retry-after': '1' } }), /503 comes without X-Needed/)
  t.equal(fault({ status: 503, headers: { 'retry-after': '1', 'x-needed': 'x' } }), undefined)
  t.equal(fault({ json: { a: 1 }, headers: { 'content-type': 'application/json', 'x-count': '7' } }), undefined)
  t.match(fault({ headers: { 'x-count': 'many' } }), /X-Count: many does not fit its schema/)
  operation.responses = { default: {} }
  t.match(fault({ text: 'a' }), /200 has a body, and none is documented/)
  t.equal(fault({ text: '' }), undefined)
  t.end()
})

t.test('what was written is looked for in what is read', (t) => {
  const object = (properties: Record<string, Schema>, more: Schema = {}): Schema => ({
    type: 'object',
    properties,
    ...more
  })
  const lost = (written: Json, read: Json | undefined, schema: Schema) => lostPlace(written, read, schema, schemas)
  t.equal(lost({ a: 1 }, { a: 1, b: 2 }, object({ a: {} })), undefined)
  t.equal(lost({ a: 1 }, {}, object({ a: {} })), '/a')
  t.equal(lost({ a: null }, {}, object({ a: {} })), undefined)
  t.equal(lost({ a: 1 }, 5, object({ a: {} })), '')
  t.equal(lost({ a: { b: [1, { c: 2 }] } }, { a: { b: [1, { c: 3 }] } }, object({ a: {} })), '/a/b/1/c')
  t.equal(lost([1], [1, 2], {}), '')
  t.equal(lost([1], null, {}), '')
  t.equal(lost({ a: 1 }, { a: 2 }, object({ a: { writeOnly: true } })), undefined)
  t.equal(lost({ a: 1 }, { a: 2 }, object({ a: { readOnly: true } })), undefined)
  t.equal(lost({ z: 1 }, {}, object({}, { additionalProperties: false })), undefined, 'no field of the answer')
  t.equal(lost({ z: 1 }, {}, object({})), undefined)
  t.equal(lost({ z: 1 }, { z: 2 }, object({})), '/z')
  t.equal(lost('2026-01-01T00:00:00Z', '2026-01-01T01:00:00+01:00', { format: 'date-time' }), undefined)
  t.equal(lost('A@example.com', 'a@example.com', { format: 'email' }), undefined)
  t.equal(lost('AB', 'ab', { format: 'uuid' }), undefined)
  t.equal(lost('A::1', 'a::1', { format: 'ipv6' }), undefined)
  t.equal(lost('A', 'a', {}), '')
  t.equal(lost(1, '1', {}), '')
  const either: Schema = { anyOf: [{ type: 'string' }, { type: 'integer' }] }
  t.equal(lost(1, 2, either), '')
  t.equal(lost(1, null, either), undefined, 'the answer fits no branch: that is told of the answer itself')
  t.equal(lost('a', 'b', { oneOf: [{ type: 'string' }] }), '')
  t.same(
    changedFields({ a: 1, b: 2 }, { a: 2, c: 3 }, (name) => name === 'a'),
    ['b', 'c']
  )
  t.same([changedFields(1, 1, () => false), changedFields(1, 2, () => false)], [[], ['']])
  t.end()
})

t.test('a key is sent as the document says', (t) => {
  const document = (securitySchemes: object) =>
    prepareDocument({
      openapi: '3.1.0',
      paths: {},
      servers: [{ url: 'http://a.test' }],
      components: { securitySchemes }
    })
  const sent = (scheme: object, target = '/a') => authorizeBy(document({ a: scheme }))({ ...request, target }, 'k:v')
  t.match(sent({ type: 'apiKey', in: 'header', name: 'X-Key' }), { headers: { 'x-key': 'k:v' } })
  t.match(sent({ type: 'apiKey', in: 'cookie', name: 'sid' }), { headers: { cookie: 'sid=k:v' } })
  t.match(sent({ type: 'apiKey', in: 'query', name: 'key' }), { target: '/a?key=k%3Av' })
  t.match(sent({ type: 'apiKey', in: 'query', name: 'key' }, '/a?b=1'), { target: '/a?b=1&key=k%3Av' })
  t.match(sent({ type: 'http', scheme: 'Bearer' }), { headers: { authorization: 'Bearer k:v' } })
  t.match(sent({ type: 'oauth2' }), { headers: { authorization: 'Bearer k:v' } })
  t.match(sent({ type: 'openIdConnect' }), { headers: { authorization: 'Bearer k:v' } })
  t.match(sent({ type: 'http', scheme: 'basic' }), { headers: { authorization: 'Basic azp2' } })
  t.throws(() => authorizeBy(document({}) as ApiDocument), { name: 'MisuseError', message: /no security scheme/ })
  t.ok(badCredentials('keya').every((one) => one !== 'keya') && badCredentials('keyb')[0] === 'keya')
  t.same(
    [[], [{}], [{ a: [] }]].map((security) => isPublic({ security } as never)),
    [true, true, false]
  )
  t.end()
})

t.test('a request is a line for a shell, without its credentials', (t) => {
  const secrets = new Map([['s3cret', 'KEY']])
  const line = curlLine(
    'http://a.test',
    { method: 'POST', target: "/a?b='", headers: { 'x-key': 's3cret' }, body: '{"a":1}' },
    secrets
  )
  t.equal(line, `curl -sS -i -X POST 'http://a.test/a?b='\\''' -H 'x-key: '"$KEY"'' --data-raw '{"a":1}'`)
  t.match(
    curlLine('http://a.test', { ...request, body: 'x'.repeat(3000) }, secrets),
    /x… \(3000 characters: --replay sends them\)'$/
  )
  t.equal(summaryOf({ request, answer: undefined, failure: 'reset' }), 'reset')
  t.equal(summaryOf({ request, answer: undefined }), 'no answer')
  t.equal(summaryOf({ request, answer: { status: 204, headers: {}, text: '', json: undefined } }), '204')
  t.end()
})
