import fc from 'fast-check'
import t from 'tap'
import { ApiError } from '#src/errors.ts'
import { parseJson } from '#src/schema/json/parse.ts'

function refusal(body: string | Buffer): ApiError {
  try {
    parseJson(Buffer.from(body as string))
  } catch (error) {
    if (error instanceof ApiError) return error
    throw error
  }
  throw new Error(`was parsed: ${body}`)
}

t.test('parses every JSON with storable values', async (t) => {
  const clean = fc.string({ unit: 'grapheme' }).map((text) => text.replaceAll('\0', '').replace(/proto|const/g, ''))
  const leaf = fc.oneof(clean, fc.maxSafeInteger(), fc.boolean(), fc.constant(null), fc.constant(0.1))
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof({ maxDepth: 5 }, leaf, fc.array(tie('tree')), fc.dictionary(clean, tie('tree')))
  }))
  const survives = fc.property(tree, (value) => {
    const text = JSON.stringify(value)
    return JSON.stringify(parseJson(Buffer.from(text))) === text
  })
  t.doesNotThrow(() => fc.assert(survives))
})

t.test('400 for invalid JSON, invalid UTF-8, and names that reach a prototype', async (t) => {
  for (const body of [
    '',
    '{',
    '{"a":1,}',
    '{a:1}',
    'nul',
    '{"__proto__":{}}',
    '{"a":[{"constructor":{"prototype":1}}]}'
  ]) {
    t.match(refusal(body), { code: 'INVALID_JSON', statusCode: 400 }, body)
  }
  const broken = refusal(Buffer.from([0x22, 0xff, 0x22]))
  t.match(broken, { code: 'INVALID_JSON', message: 'The body is not valid UTF-8.' })
})

t.test('422 for text that cannot be stored, with its place', async (t) => {
  const error = refusal('{"a":{"b":["fine","\\u0000"]},"x/y":"\\ud800"}')
  t.equal(error.statusCode, 422)
  t.same(
    error.faults.map(({ path, code }) => ({ path, code })),
    [
      { path: '/a/b/1', code: 'text' },
      { path: '/x~1y', code: 'text' }
    ]
  )
  t.match(refusal('{"a":{"\\u0000":1}}').faults, [{ path: '/a', code: 'text' }])
  t.same(parseJson(Buffer.from('{"a":"\\u00e9"}')), { a: 'é' })
})

t.test('422 for an integer that a double cannot hold; the largest safe one is accepted', async (t) => {
  t.match(refusal('[9007199254740992]').faults, [{ path: '/0', code: 'integer' }])
  t.match(refusal('{"a":-1e300}').faults, [{ path: '/a', code: 'integer' }])
  t.same(parseJson(Buffer.from('[9007199254740991,-9007199254740991,0.5]')), [2 ** 53 - 1, 1 - 2 ** 53, 0.5])
})

t.test('422 for a number without end', async (t) => {
  for (const number of ['1e400', '-1e400', `1${'0'.repeat(400)}`])
    t.match(refusal(`{"a":[${number}]}`).faults, [{ path: '/a/0', code: 'number' }], number)
})

t.test('422 for nesting beyond 64 levels', async (t) => {
  const nested = (depth: number) => `${'{"level":'.repeat(depth - 1)}{}${'}'.repeat(depth - 1)}`
  t.ok(parseJson(Buffer.from(nested(64))))
  const error = refusal(nested(65))
  t.match(error.faults, [{ code: 'depth' }])
  t.match(refusal(`${'['.repeat(100_000)}${']'.repeat(100_000)}`).faults, [{ code: 'depth' }])
})

t.test('no more than 100 faults are listed, however many there are', async (t) => {
  t.equal(refusal(`[${'9007199254740993,'.repeat(9_000)}0]`).faults.length, 100)
})

t.test('a body that is no object is passed on to the validator', async (t) => {
  t.equal(parseJson(Buffer.from('7')), 7)
  t.equal(parseJson(Buffer.from('null')), null)
})

t.test('a repeated name is refused, in every place and spelling (RFC 7493)', async (t) => {
  const refused: [body: string, paths: string[]][] = [
    ['{"a":1,"a":1}', ['/a']],
    ['{"a":1,"\\u0061":2}', ['/a']],
    ['{"a":1,"b":[7,{"x/y":1,"c":{},"x/y":{"x/y":1}}],"a":2,"a":3}', ['/b/1/x~1y', '/a', '/a']],
    ['[{"a":1},{"a":1,"":2,"":3}]', ['/1/']],
    [`{"a":"${'\\n'.repeat(500_000)}","a":1}`, ['/a']],
    [`{${'"a":1,'.repeat(9_000)}"b":1}`, Array(100).fill('/a')]
  ]
  for (const [body, paths] of refused) {
    const { statusCode, faults } = refusal(body)
    t.equal(statusCode, 422)
    t.same(
      faults.map(({ path, code }) => [path, code]),
      paths.map((path) => [path, 'repeated'])
    )
  }
  t.same(parseJson(Buffer.from('{"a":{"a":1},"b":{"a":[{"a":1},{"a":1}]}}')), {
    a: { a: 1 },
    b: { a: [{ a: 1 }, { a: 1 }] }
  })
})

t.test('422 for more values than are allowed, before anything is parsed', async (t) => {
  const parse = (body: string, max: number) => () => parseJson(Buffer.from(body), max)
  for (const [body, values] of [
    ['{"a":1,"b":[true,null,"x",{}],"c":{"d":-1.5e3}}', 9],
    ['[[],[],[]]', 4],
    ['"text"', 1],
    [' [ "a:b,[c]" , {"{":"}"} ] ', 4]
  ] as const) {
    t.doesNotThrow(parse(body, values), body)
    t.throws(
      parse(body, values - 1),
      { code: 'VALIDATION_FAILED', faults: [{ path: '', code: 'maxValues' }] } as never,
      body
    )
  }
})

t.test('a path has at most 200 characters, whatever the length of a name', async (t) => {
  const [fault] = refusal(`{"${'k'.repeat(100_000)}":"\\u0000"}`).faults
  t.equal(fault?.path, `/${'k'.repeat(199)}…`)
})

t.test('a byte order mark is ignored, but only at the start', async (t) => {
  t.same(parseJson(Buffer.from('\ufeff{"a":1,"b":2}')), { a: 1, b: 2 })
  t.equal(refusal('{"a":1,\ufeff"b":2}').code, 'INVALID_JSON')
})

t.test('escapes of ordinary text and of whole pairs are accepted', async (t) => {
  const text = '{"a":"\\u00e9\\ud83d\\ude00\\u001f\\"\\\\u0000"}'
  t.same(parseJson(Buffer.from(text)), JSON.parse(text))
})
