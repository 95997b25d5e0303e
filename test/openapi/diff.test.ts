import t from 'tap'
import { compareDocuments, type Document } from '#src/openapi/diff/document.ts'
import type { Schema } from '#src/openapi/diff/schema.ts'
import { isAtLeast, neededVersion } from '#src/openapi/diff/version.ts'

type Paths = Document['paths']
const documentOf = (paths: Paths, schemas: Record<string, Schema> = {}): Document => ({
  info: { version: '1.0.0' },
  paths,
  components: { schemas }
})
const said = (before: Document, after: Document) =>
  compareDocuments(before, after).map(({ isBreaking, where, what }) => `${isBreaking ? '!' : ' '} ${where} ${what}`)

const json = (schema: Schema) => ({ content: { 'application/json': { schema } } })
const request = (schema: Schema) => documentOf({ '/a': { post: { requestBody: json(schema), responses: {} } } })
const response = (schema: Schema) => documentOf({ '/a': { post: { responses: { 200: json(schema) } } } })
const object = (properties: Record<string, Schema>, required: string[] = []): Schema => ({
  type: 'object',
  properties,
  required
})
const text = { type: 'string' }

t.test('a difference in a request or an answer is named, and breaking on the side where it hurts', async (t) => {
  const cases: [name: string, before: Schema, after: Schema, ofRequest: string[], ofResponse: string[]][] = [
    ['nothing', object({ a: text }), object({ a: text }), [], []],
    ['a field less', object({ a: text }), object({}), ['! /a was removed'], ['! /a was removed']],
    ['a field more', object({}), object({ a: text }), ['  /a was added'], ['  /a was added']],
    ['a required field more', object({}), object({ a: text }, ['a']), ['! /a was added'], ['  /a was added']],
    ['required', object({ a: text }), object({ a: text }, ['a']), ['! /a became required'], ['  /a became required']],
    ['optional', object({ a: text }, ['a']), object({ a: text }), ['  /a may be missing'], ['! /a may be missing']],
    ['a type less', { type: ['string', 'null'] }, text, ['! type null was removed'], ['  type null was removed']],
    ['a type more', text, { type: ['string', 'null'] }, ['  type null was added'], ['! type null was added']],
    [
      'wider numbers',
      { type: 'integer' },
      { type: 'number' },
      ['  type number was added'],
      ['! type number was added']
    ],
    ['a constant', { const: 1 }, { const: 1 }, [], []],
    ['a value less', { enum: ['a', 'b'] }, { enum: ['a'] }, ['! value b was removed'], ['  value b was removed']],
    ['a value more', { enum: ['a'] }, { enum: ['a', 'b'] }, ['  value b was added'], ['! value b was added']],
    ['values', text, { ...text, enum: ['a'] }, ['! is limited to the values a'], ['  is limited to the values a']],
    [
      'no values',
      { ...text, enum: ['a'] },
      text,
      ['  is not limited to the values a any more'],
      ['! is not limited to the values a any more']
    ],
    [
      'a format',
      text,
      { ...text, format: 'uuid' },
      ["! format 'undefined' became 'uuid'"],
      ["! format 'undefined' became 'uuid'"]
    ],
    ['a lower maximum', { maximum: 9 }, { maximum: 8 }, ['! maximum was 9 and is 8'], []],
    ['a higher maximum', { maximum: 9 }, { maximum: 10 }, ['  maximum was 9 and is 10'], []],
    ['a minimum', {}, { minLength: 1 }, ['! minLength was undefined and is 1'], []],
    ['no minimum', { minItems: 1 }, {}, ['  minItems was 1 and is undefined'], []],
    ['a pattern', {}, { pattern: 'a' }, ['! pattern was undefined and is a'], []],
    ['no pattern', { pattern: 'a' }, {}, ['  pattern was a and is undefined'], []],
    [
      'inside a list',
      { items: text },
      { items: { type: 'null' } },
      ['! /* type string was removed', '  /* type null was added'],
      ['  /* type string was removed', '! /* type null was added']
    ],
    [
      'a form less',
      { anyOf: [text, { type: 'null' }] },
      { anyOf: [text] },
      ['! has a form less'],
      ['  has a form less']
    ],
    [
      'a form more',
      { anyOf: [text] },
      { anyOf: [text, { type: 'null' }] },
      ['  has a form more'],
      ['! has a form more']
    ]
  ]
  for (const [name, before, after, ofRequest, ofResponse] of cases) {
    const place = (lines: string[], where: string) =>
      lines.map((line) => `${line.slice(0, 2)}POST /a ${where}${line[2] === '/' ? '' : ' '}${line.slice(2)}`)
    t.same(said(request(before), request(after)), place(ofRequest, 'body'), name)
    t.same(said(response(before), response(after)), place(ofResponse, '200'), name)
  }
})

t.test('operations, parameters, media types, statuses and scopes are compared', async (t) => {
  const parameter = (name: string, required = false, schema?: Schema) => ({
    name,
    in: 'query',
    required,
    ...(schema && { schema })
  })
  const before = documentOf(
    {
      '/gone': { get: { responses: {} } },
      '/a': {
        delete: { responses: {} },
        post: {
          parameters: [parameter('x'), parameter('y'), parameter('z', false, { $ref: '#/components/schemas/Z' })],
          requestBody: { content: { 'application/json': {}, 'text/csv': {} } },
          responses: { 200: {}, 201: {}, 404: {} },
          security: []
        }
      }
    },
    { Z: text }
  )
  const after = documentOf(
    {
      '/new': { get: { responses: {} } },
      '/a': {
        post: {
          parameters: [
            parameter('y', true),
            parameter('z', false, { $ref: '#/components/schemas/Z' }),
            parameter('v'),
            parameter('w', true)
          ],
          requestBody: { required: true, content: { 'application/json': {}, 'text/plain': {} } },
          responses: { 200: json(text), 202: {} },
          security: [{ bearer: [] }, { key: ['a:write'] }]
        }
      }
    },
    { Z: { type: 'integer' } }
  )
  t.same(said(before, after), [
    '! GET /gone was removed',
    '! DELETE /a was removed',
    '! POST /a query/x was removed',
    '! POST /a query/y became required',
    '! POST /a query/z type string was removed',
    '  POST /a query/z type integer was added',
    '  POST /a query/v was added',
    '! POST /a query/w was added',
    '! POST /a body text/csv was removed',
    '  POST /a body text/plain was added',
    '! POST /a body became required',
    '! POST /a needs a credential',
    '! POST /a needs a:write',
    '  POST /a 200 application/json was added',
    '! POST /a 201 was removed',
    '  POST /a 404 was removed',
    '  POST /a 202 was added',
    '  GET /new was added'
  ])
})

t.test('the version that differences need', async (t) => {
  const [breaking, added] = [true, false].map((isBreaking) => [{ isBreaking, where: '', what: '' }])
  const cases = [
    ['1.2.3', [], '1.2.3'],
    ['1.2.3', added, '1.3.0'],
    ['1.2.3', breaking, '2.0.0'],
    ['0.1.0', added, '0.1.1'],
    ['0.1.4-beta.1', breaking, '0.2.0']
  ] as const
  for (const [released, differences, needed] of cases)
    t.equal(neededVersion(released, [...(differences ?? [])]), needed)
  t.ok(isAtLeast('1.0.0', '1.0.0') && isAtLeast('1.10.0', '1.9.9') && isAtLeast('2', '1.9.9'))
  t.notOk(isAtLeast('0.9.9', '1.0.0') || isAtLeast('1.0.0', '1.0.1'))
})
