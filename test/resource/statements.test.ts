import t from 'tap'
import { Statements } from '#src/resource/rows/statements.ts'

t.test('statements are kept by their shape, those that were used last', async (t) => {
  const statements = new Statements(2)
  const made: unknown[] = []
  const get = (shape: string) =>
    statements.get(shape, (name) => {
      made.push(name)
      return { execute: async () => [] }
    })
  t.equal(get('a'), get('a'))
  const b = get('b')
  get('a')
  get('c')
  t.not(get('b'), b)
  t.same(made, ['a', 'b', 'c', 'b'])
})

t.test('a shape that is too long is made each time', async (t) => {
  const statements = new Statements()
  const get = () => statements.get('x'.repeat(200_001), () => ({ execute: async () => [] }))
  t.not(get(), get())
})
