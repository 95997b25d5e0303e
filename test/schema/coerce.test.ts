import fc from 'fast-check'
import t from 'tap'
import { coerce, isCleanText } from '#src/schema/coerce.ts'

const properties = {
  text: { type: 'string' },
  whole: { type: 'integer' },
  number: { type: 'number' },
  flag: { type: 'boolean' },
  list: { type: 'array', items: { type: 'integer' } },
  anything: { type: 'array' }
}

function coerced(name: keyof typeof properties, value: unknown): unknown {
  const data: Record<string, unknown> = { [name]: value }
  t.same(coerce(data, { properties }), [])
  return data[name]
}

t.test('a number in its plain spelling becomes a number', async (t) => {
  for (const [text, number] of [
    ['0', 0],
    ['7', 7],
    ['-12', -12],
    ['1.50', 1.5],
    ['0.25', 0.25]
  ] as const) {
    t.equal(coerced('number', text), number)
    t.equal(coerced('whole', text), number)
  }
})

t.test('any other spelling of a number stays text, for the validator to refuse', async (t) => {
  for (const text of ['', ' 7', '7 ', '0x10', '1e', '+1', '01', '.5', '5.', 'NaN', 'Infinity', '1_000', '٣']) {
    t.equal(coerced('number', text), text)
  }
})

t.test('a number may have an exponent, as JSON writes it', async (t) => {
  for (const text of ['1e3', '1E-7', '-2.5e+10']) t.equal(coerced('number', text), Number(text))
})

t.test('every safe integer survives the way through text', async (t) => {
  t.doesNotThrow(() =>
    fc.assert(fc.property(fc.maxSafeInteger(), (value) => coerced('whole', String(value)) === value))
  )
})

t.test('only true and false are booleans', async (t) => {
  t.equal(coerced('flag', 'true'), true)
  t.equal(coerced('flag', 'false'), false)
  for (const text of ['1', '0', 'yes', 'TRUE', '']) t.equal(coerced('flag', text), text)
})

t.test('a list is comma-separated or repeated; repeated values keep their commas', async (t) => {
  t.same(coerced('list', '1,2'), [1, 2])
  t.same(coerced('list', ['1', '2']), [1, 2])
  t.same(coerced('list', '1'), [1])
  t.same(coerced('list', ''), [])
  t.same(coerced('anything', ['a,b', 'c']), ['a,b', 'c'])
})

t.test('text stays as it is, and one value given twice stays a list', async (t) => {
  t.equal(coerced('text', '007'), '007')
  t.same(coerced('whole', ['1', '2']), ['1', '2'])
})

t.test('an undeclared property is left alone', async (t) => {
  const data = { other: '1', toString: '2' }
  t.same(coerce(data, { properties }), [])
  t.same(coerce(data, {}), [])
  t.same(data, { other: '1', toString: '2' })
})

t.test('a NUL or a lone surrogate is refused in every place, and by a JSON pointer', async (t) => {
  const fault = { code: 'text', message: 'must not contain NUL or lone surrogates' }
  const faults = coerce({ text: 'a\0b', 'a/b~c': ['fine', '\ud800'], whole: '1' }, { properties })
  t.same(faults, [
    { path: '/text', ...fault },
    { path: '/a~1b~0c', ...fault }
  ])
})

t.test('clean text is text that PostgreSQL stores: no NUL, no lone surrogate', async (t) => {
  t.equal(isCleanText('naïve 😀 \u0001'), true)
  for (const text of ['\0', 'a\0', '\ud83d', '\ude00\ud83d']) t.equal(isCleanText(text), false)
})
