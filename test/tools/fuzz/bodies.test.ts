import t from 'tap'
import { BODIES } from '#src/tools/fuzz/checks/bodies.ts'

const VALID = '{"name":"a"}'
const parse = (kind: string) => JSON.parse((BODIES[kind] as (text: string) => string)(VALID))

t.test('bodies that are no JSON are none, and padded ones mean the same', async (t) => {
  for (const kind of ['empty', 'cut off', 'two values', 'no JSON', 'NaN']) t.throws(() => parse(kind), kind)
  for (const kind of Object.keys(BODIES).filter((one) => one.endsWith('iB'))) {
    t.same(parse(kind), { name: 'a' }, kind)
    const [number, unit] = kind.split(' ')
    t.equal(BODIES[kind]?.(VALID).length, Number(number) * (unit === 'KiB' ? 1024 : 1_048_576), kind)
  }
})

t.test('the others are JSON that is hard to take', async (t) => {
  t.equal(Object.getOwnPropertyNames(parse('__proto__')).length, 1)
  t.equal(parse('a lone surrogate').a, '\ud800')
  t.equal(parse('a NUL').a, '\0')
  t.equal(parse('a number without end').a, Infinity)
  for (const kind of ['deep lists', 'deep objects'])
    t.match(BODIES[kind]?.(VALID), /^(\[|\{"a":){20000}1?(\]|\}){20000}$/, kind)
  t.equal(Object.keys(parse('many names')).length, 20_000)
})
