import t from 'tap'
import { Statements } from '#src/resource/rows/statements.ts'

t.test('statements are kept by their shape; beyond the bound new ones are neither prepared nor kept', async (t) => {
  const statements = new Statements(2)
  const made: unknown[] = []
  const get = (shape: string) =>
    statements.get(shape, (name) => {
      made.push(name)
      return { execute: async () => [] }
    })
  t.equal(get('a'), get('a'))
  t.equal(get('b'), get('b'))
  t.not(get('c'), get('c'))
  t.equal(get('a'), get('a'), 'who came first stays')
  t.same(made, ['a', 'b', undefined, undefined])
})
