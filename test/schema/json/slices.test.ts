import fc from 'fast-check'
import t from 'tap'
import { ApiError } from '#src/errors.ts'
import { parseJson } from '#src/schema/json/parse.ts'
import { parseJsonInSlices } from '#src/schema/json/slices.ts'

const MAX = 10_000

/** The result of a body in either way of parsing: the value, or the refusal. */
async function outcome(parse: () => unknown): Promise<unknown> {
  try {
    return { value: await parse() }
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    return { code: error.code, faults: error.faults }
  }
}
const whole = (text: string) => outcome(() => parseJson(Buffer.from(text), MAX))
const sliced = (text: string, pause: () => Promise<void> | undefined = () => undefined) =>
  outcome(() => parseJsonInSlices(Buffer.from(text), MAX, pause))

t.test('a body read in slices gives the same value as when it is read as a whole', async (t) => {
  const same = fc.asyncProperty(fc.jsonValue({ maxDepth: 4 }), fc.constantFrom(0, 1, '\t'), async (value, space) => {
    const text = JSON.stringify({ a: value, list: [value, value] }, null, space)
    t.strictSame(await sliced(text), await whole(text))
  })
  await fc.assert(same, { numRuns: 50 })
})

t.test('empty lists and objects are read at every level', async (t) => {
  for (const text of ['{}', '[]', ' [ ] ', '{"items":[]}', '{"items":{}}', '[[],{}]', '{"items":[[],{}],"a":{}}'])
    t.strictSame(await sliced(text), await whole(text), text)
})

t.test('slices refuse the same bodies, at the same place', async (t) => {
  for (const text of [
    '{"items":[{"a":1},{"a":"\\u0000"}],"b":9007199254740993}',
    '{"items":[{"a":1,"a":2}]}',
    '{"items":1,"items":2,"x":[1,{"y":{"z":1,"z":1}}]}',
    `{"items":[${'['.repeat(70)}${']'.repeat(70)}]}`,
    `[${'7,'.repeat(MAX)}7]`,
    `{"items":[${'{},'.repeat(MAX)}7]}`,
    '{"items":[{"__proto__":1}]}',
    '{"\\ud800":1}',
    '{"a":1,}',
    '{"a" 1}',
    '{a:1}',
    '[1 2]',
    '[1,]',
    '[,1]',
    '[[1,2',
    '{"a":[1]} x',
    '{"a":tru}',
    '{',
    '"a',
    '',
    ' '
  ]) {
    const { code, faults = [] } = (await sliced(text)) as { code: string; faults: { path: string; code: string }[] }
    const expected = (await whole(text)) as typeof faults & { code: string; faults: typeof faults }
    t.equal(code, expected.code, text.slice(0, 60))
    t.strictSame(
      faults.map((fault) => `${fault.path} ${fault.code}`).sort(),
      expected.faults.map((fault) => `${fault.path} ${fault.code}`).sort(),
      text.slice(0, 60)
    )
  }
  t.match(await sliced('{"__proto__":{}}'), { code: 'INVALID_JSON' })
  t.strictSame(await sliced('\ufeff[1]'), { value: [1] })
})

t.test('no more than 100 faults are listed', async (t) => {
  const { faults } = (await sliced(`{${'"a":1,'.repeat(200)}"a":1}`)) as { faults: unknown[] }
  t.equal(faults.length, 100)
})

t.test('a single value larger than 1 MiB is 413, with its place', async (t) => {
  const text = `{"items":[1,"${'x'.repeat(1_048_576)}"]}`
  t.match(await sliced(text), { code: 'PAYLOAD_TOO_LARGE', faults: [{ path: '/items/1', code: 'maxBytes' }] })
  t.match(await sliced(`{"items":[1,${' '.repeat(1_048_577)}2]}`), { code: 'PAYLOAD_TOO_LARGE' })
})

t.test('other requests get their turn between two values', async (t) => {
  let turns = 0
  const pause = () => {
    turns += 1
    return turns % 2 === 0 ? Promise.resolve() : undefined
  }
  t.strictSame(await sliced('{"a":[1,2,3],"b":{"c":4}}', pause), { value: { a: [1, 2, 3], b: { c: 4 } } })
  t.equal(turns, 4)
})
